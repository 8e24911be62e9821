// SPDX-License-Identifier: MIT
// modelgrow family: which families are known, what one says, a draft for another, and whether a text is right.
#include <modelgrow/families/all.hpp>
#include <modelgrow/families/draft.hpp>

#include <iostream>

#include "input.hpp"

namespace tool {

namespace {

constexpr std::string_view copies[] = {"at any size", "at integer factors", "at integer factors, spread out",
                                       "never exactly"};

const mg::Family& find(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& f : mg::known_families()) {
    if (f.name() == name) return f;
    names.push_back(f.name());
  }
  throw mg::option_error("there is no family '" + name + "'" + mg::nearest_names(name, names));
}

void list() {
  for (const auto& f : mg::known_families()) {
    std::cout << f.name() << ":";
    for (const auto& c : f.text().classes) std::cout << " " << c;
    std::cout << "\n";
  }
}

void show(const mg::Family& family) {
  const auto& t = family.text();
  std::cout << "family " << t.name << ", " << t.tensors.size() << " patterns of tensors\n";
  for (const auto& s : t.stacks) {
    std::cout << "  stack " << s.name;
    if (!s.rules.paired_with.empty()) std::cout << ", grows with " << s.rules.paired_with;
    if (!s.rules.last_is_special.empty()) std::cout << ", nothing behind the last block: " << s.rules.last_is_special;
    if (!s.rules.never_identity.empty()) std::cout << ", no block is the identity: " << s.rules.never_identity;
    std::cout << "\n";
  }
  for (const auto& s : t.spaces) {
    std::cout << "  space " << s.name << ": " << copies[std::size_t(s.rules.copies)];
    if (!s.rules.because.empty()) std::cout << ", because " << s.rules.because;
    if (!s.rules.tied_to.empty()) std::cout << "; grows with " << s.rules.tied_to;
    if (!s.rules.exact_if.empty()) std::cout << "; exact if " << s.rules.exact_if;
    std::cout << "\n";
  }
  for (const auto& rule : t.config) std::cout << "  config.json: " << rule.key << "\n";
  for (const auto& note : t.notes) std::cout << "  note: " << note << "\n";
}

}  // namespace

void add_family(CLI::App& program) {
  struct Options {
    std::string name, text, checkpoint, state_dict;
    mg::Checkpoint open() const { return mg::Checkpoint::open(checkpoint, {.state_dict = state_dict}); }
  };
  auto* command = program.add_subcommand("family", "families of models: list, show, draft, check");
  auto o = std::make_shared<Options>();
  command->require_subcommand(1);
  command->add_subcommand("list", "the families that are known, and their classes")->callback([] { list(); });
  auto* one = command->add_subcommand("show", "how a family may grow");
  one->add_option("NAME", o->name, "as `family list` says it")->required();
  one->callback([o] { show(find(o->name)); });
  auto* draft = command->add_subcommand("draft", "a first text for a checkpoint of no known family");
  draft->add_option("IN", o->checkpoint, checkpoint_forms)->required();
  add_state_dict(*draft, o->state_dict);
  draft->callback([o] { std::cout << mg::draft_family(o->open().names()); });
  auto* check = command->add_subcommand("check", "whether a family text is right, and explains a checkpoint");
  check->add_option("TEXT", o->text, "a family as JSON")->required();
  check->add_option("IN", o->checkpoint, "a checkpoint that it should explain");
  add_state_dict(*check, o->state_dict);
  check->callback([o] {
    try {
      const auto family = mg::Family::open(o->text);
      if (!o->checkpoint.empty()) family.schema(o->open());
      std::cout << "family " << family.name() << " is well formed"
                << (o->checkpoint.empty() ? "" : " and explains every tensor of " + o->checkpoint) << "\n";
    } catch (const mg::format_error& e) {
      throw mg::check_error(e.what());
    }
  });
  command->footer("Example: modelgrow family draft IN > mine.json; modelgrow family check mine.json IN");
}

}  // namespace tool
