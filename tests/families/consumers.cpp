// SPDX-License-Identifier: MIT
// What programs that load checkpoints would do: released models are fine, grown ones as each program was seen to
// behave. docs/where-it-runs.md holds the table; MODELGROW_WRITE_DOCS=1 writes it anew.
#include <modelgrow/families/all.hpp>
#include <modelgrow/families/consumers.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/mixture_of_experts.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/docs_table.hpp"
#include "tests/support/message.hpp"
#include "tests/support/releases.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// A release of a family (the first, by name), as an opened file.
struct Model {
  Release release;
  Names names;
  Family family;
  Schema schema;
  explicit Model(Release r)
      : release(std::move(r)),
        names(release.tensors, release.name),
        family(family_of(names, release.config, release.name)),
        schema(family.schema(names, release.config, release.name)) {}
  explicit Model(const std::string& name) : Model(releases(name).at(0)) {}

  /// "" for a program that nothing is known about.
  std::string does(std::string_view program, const Schema& grown, const std::vector<Contradiction>& stale = {}) const {
    for (const auto& c : consumptions(family, names, grown, stale))
      if (c.consumer->name == program) return c.does;
    return {};
  }
  std::string does(std::string_view program, const Operator auto&... how) const {
    return does(program, plan(schema, accept_conditions, how...).schema());
  }
  /// The file is right, and config.json says `value` for `key`.
  std::string stale(std::string_view program, const std::string& key, int value) const {
    auto config = detail::parse_json(release.config, release.name);
    config[key] = value;
    const Schema by_file = family.schema(names, config.dump(), release.name, Trust::file);
    return does(program, by_file, contradictions(by_file, config.dump(), release.name));
  }
};

std::string or_unknown(std::string_view text) { return text.empty() ? "not tried" : std::string(text); }

std::string table() {
  constexpr std::string_view from[] = {"config.json", "names and shapes", "a table of its own"};
  std::string text =
      "| program | families | sizes from | whatever the file says | deeper, wider | tensors that its class lacks | "
      "config.json says fewer blocks | config.json says more blocks | config.json says a narrower ffn |\n"
      "|---|---|---|---|---|---|---|---|---|\n";
  for (const auto& c : consumers) {
    const bool reads = c.sizes == Consumer::Sizes::config;
    const auto stale = [&](std::string_view t) { return reads ? or_unknown(t) : "does not read it"; };
    text += "| " + std::string(c.name) + " " + std::string(c.version) + (c.ran ? "" : " (read, not run)") + " | " +
            std::string(c.families) + " | " + std::string(from[std::size_t(c.sizes)]) + " | " +
            (c.computes.empty() ? "" : "`" + std::string(c.computes) + "`") + " | " + std::string(c.loads) + " | " +
            or_unknown(c.grafted) + " | " + stale(c.more_blocks) + " | " + stale(c.fewer_blocks) + " | " +
            stale(c.wider_ffn) + " |\n";
  }
  return text;
}

}  // namespace

TEST_CASE("Programs load every release that they know", "[families]") {
  std::map<const Consumer*, int> met;
  for (const auto& r : releases()) {
    if (r.tiny()) continue;
    const Model model(r);
    for (const auto& c : consumptions(model.family, model.names, model.schema)) {
      INFO(r.name << ": " << c.consumer->name << " " << c.does);
      CHECK(c.does.starts_with(c.consumer->loads));
      for (const auto& e : detail::equations(c.consumer->computes)) CHECK(model.schema.sizes().contains(e.name));
      ++met[c.consumer];
    }
  }
  for (const auto& c : consumers) {
    INFO(c.name << " " << c.families);
    CHECK(met[&c] >= int(detail::split_at(c.families, ' ').size()));
  }
}

TEST_CASE("A grown Wan runs where each program was seen to run it", "[families]") {
  const Model wan("wan");
  const InsertBlocks deeper{.every = 1};
  for (const char* program : {"diffusers", "FastVideo", "sglang", "vllm-omni"}) {
    CHECK(wan.does(program, deeper) == "loads it");
    CHECK(wan.does(program, Net2Wider{.space = "ffn", .times = 2}) == "loads it");
  }
  CHECK(says(wan.does("ComfyUI", Net2Wider{.space = "hidden", .times = 2}), "loads it"));
  CHECK(says(wan.does("DiffSynth", deeper), "refuses", "MODEL_CONFIGS"));
}

TEST_CASE("Programs are told apart by what they make of grafted tensors", "[families]") {
  const Model wan("wan");
  Schema grafted = wan.schema;
  grafted.grafts.push_back({.name = "SwapTextEncoder", .tensors = {}});
  CHECK(wan.does("FastVideo", grafted) == "loads it");  // a record without tensors of its own
  grafted.grafts.push_back({.name = "TemporalConv", .tensors = {{"blocks.{}.conv.weight", "out hidden"}}});
  CHECK(wan.does("diffusers", grafted) == "loads it; the tensors of grafts: leaves them out, with a warning");
  CHECK(wan.does("FastVideo", grafted) == "loads it; the tensors of grafts: refuses them");
  CHECK(says(Model("flux").does("ComfyUI",
                                [&] {
                                  Schema s = Model("flux").schema;
                                  s.grafts = grafted.grafts;
                                  return s;
                                }()),
             "the tensors of grafts: not tried"));
}

TEST_CASE("No program runs a mixture of experts in place of the layers that it has", "[families]") {
  for (const char* program : {"diffusers", "ComfyUI"})
    CHECK(says(Model("wan").does(program, MixtureOfExperts{.experts = 4}), "cannot run it", "no 'MixtureOfExperts'",
               "'blocks.{}.ffn.net.0.proj.weight'"));
}

TEST_CASE("Sizes that a program computes itself are told where the model has others", "[families]") {
  const Model tiny([] {
    for (const auto& r : releases("wan"))
      if (r.tiny()) return r;
    throw format_error("no tiny Wan");
  }());
  CHECK(says(tiny.does("ComfyUI", tiny.schema), "another model", "heads is", "computes 0"));
  const InsertBlocks deeper{.stack = "transformer_blocks", .every = 1};
  CHECK(says(Model("mochi").does("ComfyUI", deeper), "transformer_blocks is 96 where it computes 48", "not run"));
  CHECK(says(Model("sd3").does("ComfyUI", deeper), "transformer_blocks is 48 where it computes 24"));
  CHECK(says(Model("ltx2").does("diffusers", Net2Wider{.space = "ffn", .times = 2}), "cannot load it", "no config key",
             "ffn is 32768 where it computes 16384"));
}

TEST_CASE("Programs that read the folders of diffusers are left out for native names", "[families]") {
  const Model wan("wan");
  std::vector<NamedShape> tensors;
  for (auto t : wan.release.tensors) {
    auto parts = detail::split_at(t.name, '.');
    const std::string block = parts[0] == "blocks" ? std::exchange(parts[1], "{}") : "";
    t.name = wan.family.text().native(detail::join(parts, '.'));
    if (const auto at = t.name.find("{}"); at != t.name.npos) t.name.replace(at, 2, block);
    tensors.push_back(t);
  }
  const Names native(std::move(tensors), "native");
  REQUIRE(native.contains("blocks.0.self_attn.q.weight"));
  std::set<std::string_view> programs;
  for (const auto& c : consumptions(wan.family, native, wan.family.schema(native, "{\"num_heads\": 12}", "native")))
    programs.insert(c.consumer->name);
  CHECK(programs == std::set<std::string_view>{"ComfyUI", "DiffSynth"});
}

TEST_CASE("A config.json older than the file: who cuts the model in silence", "[families]") {
  const Model wan("wan");
  const int blocks = int(wan.schema.stack("blocks").count), ffn = int(wan.schema.space("ffn").space.size);
  CHECK(says(wan.stale("diffusers", "num_layers", blocks / 2), "'num_layers'", "cuts the model", "one warning"));
  CHECK(says(wan.stale("diffusers", "num_layers", blocks * 2), "fails when it runs"));
  CHECK(says(wan.stale("diffusers", "ffn_dim", ffn / 2), "refuses it"));
  CHECK(says(wan.stale("vllm-omni", "ffn_dim", ffn / 2), "without a word"));
  CHECK(says(wan.stale("sglang", "num_layers", blocks * 2), "not tried"));
  CHECK(says(wan.stale("sglang", "ffn_dim", ffn * 2), "not tried"));
  CHECK(says(wan.stale("FastVideo", "num_layers", blocks * 2), "refuses it"));
  CHECK(says(wan.stale("ComfyUI", "num_layers", blocks / 2), "loads it"));
}

TEST_CASE("docs/where-it-runs.md holds the table of today", "[families]") {
  check_docs_table("docs/where-it-runs.md", table());
}
