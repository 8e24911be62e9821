// SPDX-License-Identifier: MIT
// Flags from the described options of every operator.
#include "growth.hpp"

#include <algorithm>
#include <map>

#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/grafts/known.hpp>

namespace tool {

std::string flag_of(std::string_view name) {
  std::string flag = "--";
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool upper = std::isupper(static_cast<unsigned char>(name[i])) != 0;
    if (upper && i > 0 && std::islower(static_cast<unsigned char>(name[i - 1]))) flag += '-';
    flag += char(std::tolower(static_cast<unsigned char>(name[i])));
  }
  return flag;
}

namespace {

/// Operators and grafts.
const std::vector<mg::OperatorKind>& operators() {
  static const std::vector<mg::OperatorKind> all = [] {
    auto list = mg::known_operators();
    list.insert(list.end(), mg::known_grafts().begin(), mg::known_grafts().end());
    return list;
  }();
  return all;
}

std::string group_of(const mg::OperatorKind& kind) {
  if (kind.fields.empty()) return "Permissions";
  const auto& grafts = mg::known_grafts();
  return std::any_of(grafts.begin(), grafts.end(), [&](const auto& g) { return g.name == kind.name; }) ? "Grafts"
                                                                                                       : "Operators";
}

std::string help_of(const mg::OperatorKind& kind) {
  std::string text = kind.summary;
  for (const auto& f : kind.fields)
    text += "\n  " + f.key + ": " + f.kind + ", " + f.help + (f.value.empty() ? "" : " [" + f.value + "]");
  return text;
}

}  // namespace

Growth::Growth(CLI::App& command) : command_(command) {
  for (const auto& kind : operators()) {
    const std::string flag = flag_of(kind.name), help = help_of(kind);
    CLI::Option* option = kind.fields.empty() ? command.add_flag(flag) : command.add_option(flag);
    option->description(help);
    if (!kind.fields.empty())
      option->type_name("KEY=VALUE,..")
          ->expected(0, 1)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
          ->allow_extra_args(false);
    flags_.push_back(Flag{.option = option->group(group_of(kind)), .kind = &kind});
  }
  command.add_option("--recipe", recipe_, "operators from a file instead: [{\"InsertBlocks\": {\"every\": 1}}, ..]")
      ->type_name("FILE")
      ->group("Operators");
  command
      .add_flag("--trust-file", trust_file_,
                "where config.json contradicts the shapes of the file, take those of the file")
      ->group("Permissions");
}

std::vector<mg::OperatorCall> Growth::calls() const {
  std::vector<mg::OperatorCall> permissions, said;
  std::map<const CLI::Option*, std::size_t> used;
  for (const CLI::Option* option : command_.parse_order())
    for (const auto& [known, kind] : flags_) {
      if (known != option) continue;
      const auto& words = option->results();
      const std::size_t i = used[option]++;
      if (kind->fields.empty())
        permissions.push_back(kind->from_text({}));
      else if (i < words.size())
        said.push_back(kind->from_text(words[i]));
    }
  if (!recipe_.empty()) {
    if (!said.empty()) throw mg::option_error("give operators or --recipe, not both");
    said = mg::read_recipe(mg::detail::read_file(recipe_), operators(), recipe_);
  }
  if (said.empty())
    throw mg::option_error("nothing to grow by; give an operator, as --insert-blocks every=1, or --recipe FILE");
  permissions.insert(permissions.end(), said.begin(), said.end());
  return permissions;
}

mg::Plan Growth::plan(const mg::Checkpoint& in, const Input& input) const {
  const auto all = calls();
  return mg::plan(schema(in, input), all);
}

mg::Schema Growth::schema(const mg::Checkpoint& in, const Input& input) const {
  return input.schema(in, trust_file_ ? mg::Trust::file : mg::Trust::nobody);
}

bool Growth::said() const {
  return !recipe_.empty() ||
         std::ranges::any_of(flags_, [](const Flag& f) { return !f.kind->fields.empty() && f.option->count() > 0; });
}

}  // namespace tool
