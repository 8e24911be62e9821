// SPDX-License-Identifier: MIT
// Growths that are not exact are not called so: what earlier certificates let through, forgotten marks, and families
// whose upstream class computes something else.
#include <modelgrow/families/all.hpp>
#include <modelgrow/families/family_text.hpp>
#include <modelgrow/grow/operators/grow_head_dim.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/mixture_of_experts.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/operators/zero_channels.hpp>
#include <modelgrow/grow/optimizers/adam.hpp>
#include <modelgrow/grow/optimizers/step_factors.hpp>
#include <modelgrow/grow/read_back.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/releases.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

Release tiny(const std::string& family, const std::string& like = "tiny") {
  for (const auto& r : releases(family))
    if (r.tiny() && r.name.find(like) != r.name.npos) return r;
  throw format_error("no tiny release of " + family);
}
Schema schema_of(const Release& r) {
  const Names names(r.tensors, r.name);
  return family_of(names, r.config, r.name).schema(names, r.config, r.name);
}
template <class... Operators>
std::string refusal(const Schema& s, const Operators&... ops) {
  return message_of<plan_error>([&] { plan(s, ops...); });
}
ParamSpec spec(std::string name, Axes axes, Init init, Purpose purpose) {
  return ParamSpec{.name = std::move(name),
                   .dtype = DType::f32,
                   .info = {.axes = std::move(axes), .init = init, .purpose = purpose}};
}

}  // namespace

TEST_CASE("A closed matrix does not close its neighbours", "[soundness]") {
  const Schema s = schema_of(tiny("wan"));
  const Extent hidden = s.space("hidden").space;
  const auto closed = spec("blocks.0.new.out.weight", {out(hidden), in(hidden)}, Init::zeros(), Purpose::closes);
  const auto random = spec("blocks.0.other.weight", {out(hidden), in(hidden)}, Init::xavier(), Purpose::weight);
  const auto outside = spec("outside.weight", {out(hidden), in(hidden)}, Init::xavier(), Purpose::weight);
  const auto says_no = [&](std::vector<ParamSpec> list) {
    return message_of<plan_error>([&] { Plan(s).add(std::move(list)); });
  };
  Plan(s).add({closed});
  CHECK(says(says_no({closed, random}), "nothing closes the branch 'other'", "blocks.0"));
  CHECK(says(says_no({closed, outside}), "nothing closes the branch 'outside'"));
  // Parts of one branch in many places: named so, and closed in every block that it reaches.
  auto projector = outside,
       second = spec("blocks.1.new.in.weight", {out(hidden), in(hidden)}, Init::xavier(), Purpose::weight);
  projector.info.stream.branch = "new";
  Plan(s).add({closed, projector});
  CHECK(says(says_no({closed, projector, second}), "nothing closes the branch 'new'", "blocks.1"));
}

TEST_CASE("A forgotten mark is found before anything grows", "[soundness]") {
  Schema s = schema_of(tiny("wan"));
  for (auto& p : s.parameters)
    if (p.name == "blocks.1.ffn.net.2.weight") p.info.purpose = Purpose::weight;
  CHECK(says(message_of<plan_error>([&] { Plan p(s); }), "'blocks.1.ffn.net.2.weight'", "'hidden'", "not marked"));
  // The same in a text; and every mark of every text is needed.
  for (const auto& family : known_families())
    for (const auto& stack : family.text().stacks) CHECK_FALSE(stack.rules.streams.empty());
}

TEST_CASE("Stacks that take turns grow together or not at all", "[soundness]") {
  for (const char* family : {"stdit3", "latte"}) {
    INFO(family);
    const Schema s = schema_of(tiny(family));
    REQUIRE(s.stacks.size() == 2);
    const std::string a = s.stacks[0].name, b = s.stacks[1].name;
    CHECK(says(refusal(s, InsertBlocks{.stack = a, .every = 1}), "cannot grow alone", a + "+" + b));
    CHECK(says(refusal(s, InsertBlocks{.stack = b, .every = 1}), "cannot grow alone"));
    const Plan both = plan(s, InsertBlocks{.every = 1});
    CHECK(both.certificate().exactness == Exactness::exact);
    for (const auto& stack : both.schema().stacks) CHECK(stack.count == 2 * s.stacks[0].count);
    CHECK_THROWS_AS(Plan(s).say(Insert{.stacks = {a}, .places = {{.at = 1, .like = 0}}}), plan_error);
  }
}

TEST_CASE("Nothing comes behind a last block of another kind", "[soundness]") {
  for (const char* family : {"mochi", "sd3"}) {
    INFO(family);
    const Schema s = schema_of(tiny(family));
    const std::int64_t n = s.stacks[0].count;
    CHECK(says(refusal(s, InsertBlocks{.at = {n}}), "its last block is of another kind"));
    CHECK(says(message_of<plan_error>([&] { Plan(s).insert(s.stacks[0].name, 1, n - 1); }), "of another kind"));
    const Plan twice = plan(s, InsertBlocks{.every = 1});
    CHECK(twice.schema().stacks[0].count == 2 * n);
    CHECK(twice.block_map(s.stacks[0].name).back() == n - 1);
    CHECK(plan(s, InsertBlocks{.count = 1, .placement = Placement::suffix})
              .block_map(s.stacks[0].name)[std::size_t(n - 1)] == -1);
  }
}

TEST_CASE("Mochi's blocks are closed by their gates, not by their projections", "[soundness]") {
  const Schema s = schema_of(tiny("mochi"));
  const Plan p = plan(s, InsertBlocks{.at = {1}});
  bool gates = false;
  for (const auto& r : p.recipes()) {
    if (!r.name.starts_with("transformer_blocks.1.")) continue;
    CHECK_FALSE(r.closed);
    gates |= !r.gates.empty();
    if (r.name == "transformer_blocks.1.norm1.linear.weight") {
      const std::int64_t hidden = s.space("hidden").space.size;
      CHECK(r.gates == std::vector<Rows>{{hidden, 2 * hidden}, {3 * hidden, 4 * hidden}});
    }
  }
  CHECK(gates);
}

TEST_CASE("Frequencies of a time embedding move apart, and new ones start at zero", "[soundness]") {
  const Schema s = schema_of(tiny("cogvideox", "CogVideoX-5b"));
  const Plan p = plan(s, Net2Wider{.space = "hidden", .to = 2 * s.space("hidden").space.size});
  CHECK(p.certificate().exactness == Exactness::exact);
  CHECK(p.trajectory().exactness == Exactness::approximate);
  bool seen = false;
  for (const auto& m : std::get<Remap>(p.steps()[0].verb).maps)
    if (s.space(m.space).rules.copies == Copies::spread) {
      seen = true;
      CHECK(m.from[2] == 1);
      CHECK(m.split[2] == 1);
      CHECK(m.split[3] == 0);
    }
  CHECK(seen);
  // Copied instead of moved apart, they are another function.
  auto maps = std::get<Remap>(p.steps()[0].verb).maps;
  for (auto& m : maps)
    for (auto& split : m.split) split = 0.5;
  CHECK(says(message_of<plan_error>([&] { Plan(s).remap(maps); }), "has to become unit 2 j"));
}

TEST_CASE("New frequencies learn at the rate and with the epsilon of the old ones", "[soundness]") {
  // Cosmos scales them, too: what does so has no gradient in the first step.
  for (const auto& [family, like] : {std::pair("cogvideox", "CogVideoX-5b"), std::pair("cosmos", "")}) {
    const Schema s = schema_of(tiny(family, like));
    const Plan p = plan(s, Net2Wider{.space = "hidden", .to = 2 * s.space("hidden").space.size});
    bool seen = false;
    for (const auto& r : p.recipes()) {
      INFO(family << " " << r.name);
      const auto m = grow_multipliers(r);
      CHECK(std::ranges::min(m.lr) > 0);
      CHECK(std::ranges::min(m.eps) > 0);
      if (r.source_axes.empty() || !r.source_axes.back().extent.mentions("time_freq")) continue;
      seen = true;
      const auto any = step_factors(optimizer_rule<Optimizer::adamw>(), r);
      CHECK(m.lr == std::vector{1.0});
      CHECK(any.rate.columns == m.lr);
      CHECK(any.epsilon.rows == m.eps);
    }
    CHECK(seen);
  }
}

TEST_CASE("What cannot grow exactly is refused with the reason, and what upstream rebuilds needs consent",
          "[soundness]") {
  const Schema ltx = schema_of(tiny("ltx_video"));
  CHECK(says(refusal(ltx, Net2Wider{.space = "hidden", .to = 84}), "cannot grow and keep the function"));
  const Schema pixart = schema_of(tiny("pixart"));
  const Net2Wider wide{.space = "hidden", .to = 2 * pixart.space("hidden").space.size};
  CHECK(says(refusal(pixart, wide), "only if", "accept_conditions"));
  CHECK(plan(pixart, accept_conditions, wide).certificate().exactness == Exactness::exact_if);
  CHECK(plan(pixart, allow_approximate, wide).certificate().exactness == Exactness::exact_if);
}

TEST_CASE("A plan knows what the upstream class cannot load", "[soundness]") {
  const Schema s = schema_of(tiny("sd3"));
  const Plan ffn = plan(s, Net2Wider{.space = "ffn", .to = 2 * s.space("ffn").space.size});
  CHECK(says(ffn.upstream_cannot(), "ffn would be"));
  CHECK(plan(s, InsertBlocks{.every = 1}).upstream_cannot().empty());
  const Plan hidden = plan(s, Net2Wider{.space = "hidden", .times = 2});
  CHECK(says(hidden.upstream_cannot(), "grow 'ffn' to " + std::to_string(2 * s.space("ffn").space.size)));
  const Plan both = plan(s, Net2Wider{.space = "ffn", .to = 2 * s.space("ffn").space.size},
                         Net2Wider{.space = "hidden", .to = 2 * s.space("hidden").space.size});
  CHECK(both.upstream_cannot().empty());  // four times the width again
  const Schema pixart = schema_of(tiny("pixart"));
  const auto heads = plan(pixart, GrowHeadDim{.to = 2 * pixart.space("head_dim").space.size}).upstream_cannot();
  CHECK(says(heads, "hidden would be", "heads*head_dim"));
  CHECK_FALSE(says(heads, "along with it"));  // more heads would grow with it, and the width that it computes
}

TEST_CASE("Block numbers in config.json move with their blocks", "[soundness]") {
  const Schema sd3 = schema_of(tiny("sd3", "3.5"));
  REQUIRE(sd3.lists.size() == 1);
  const auto before = sd3.lists[0].blocks;
  REQUIRE(before == std::vector<std::int64_t>{0, 1});
  CHECK(plan(sd3, InsertBlocks{.at = {1}}).schema().lists[0].blocks == std::vector<std::int64_t>{0, 1, 2});
  CHECK(plan(sd3, InsertBlocks{.at = {2}}).schema().lists[0].blocks == std::vector<std::int64_t>{0, 1, 2});

  const Schema vace = schema_of(tiny("wan_vace"));
  REQUIRE(vace.lists.size() == 1);
  REQUIRE(vace.lists[0].blocks == std::vector<std::int64_t>{0, 2});
  CHECK(plan(vace, InsertBlocks{.stack = "blocks", .at = {1}}).schema().lists[0].blocks ==
        std::vector<std::int64_t>{0, 3});
  CHECK(plan(vace, InsertBlocks{.stack = "vace_blocks", .at = {1}}).schema().lists[0].blocks ==
        std::vector<std::int64_t>{0, 1, 2});
  CHECK(says(
      refusal(vace, InsertBlocks{.stack = "vace_blocks", .at = {1}}, InsertBlocks{.stack = "vace_blocks", .at = {1}}),
      "none between 0 and 1", "insert blocks into 'blocks' there first"));
  CHECK(says(refusal(vace, InsertBlocks{.stack = "vace_blocks", .at = {0}}), "position 0"));
  CHECK(plan(vace, InsertBlocks{.stack = "vace_blocks", .at = {1}}).schema().find("vace_blocks.1.proj_in.weight") ==
        nullptr);
}

TEST_CASE("Feed-forward layers that share a matrix stay, others become mixtures", "[soundness]") {
  const Schema flux = schema_of(tiny("flux"));
  CHECK(says(refusal(flux, MixtureOfExperts{.experts = 4}), "'single_transformer_blocks.0.proj_mlp'",
             "name in .stack one whose layers can be copied: transformer_blocks"));
  CHECK(says(refusal(flux, MixtureOfExperts{.experts = 4, .stack = "single_transformer_blocks"}), "read by another"));
  const Plan two = plan(flux, MixtureOfExperts{.experts = 4, .stack = "transformer_blocks"});
  CHECK(two.schema().find("transformer_blocks.0.ff_context.router.weight"));
  CHECK(says(two.upstream_cannot(), "the class has no 'MixtureOfExperts'"));

  const Schema ltx = schema_of(tiny("ltx2"));
  const Plan sound = plan(ltx, MixtureOfExperts{.experts = 4}, MixtureOfExperts{.experts = 4, .space = "audio_ffn"});
  CHECK(sound.schema().grafts.size() == 1);
  CHECK(sound.schema().find("transformer_blocks.0.audio_ff.experts.3.net.2.weight"));

  const Plan sd3 = plan(schema_of(tiny("sd3")), MixtureOfExperts{.experts = 2});
  std::map<std::string, std::string> lines(sd3.schema().grafts[0].tensors.begin(),
                                           sd3.schema().grafts[0].tensors.end());
  CHECK(lines.at("transformer_blocks.{}.ff.router.weight") == "fixed 2, in hidden");
  CHECK(lines.at("transformer_blocks.{}.ff_context.router.weight") == "fixed 2, in hidden; not_last");
  CHECK(lines.at("transformer_blocks.{}.ff_context.experts.{0,1}.net.2.weight") ==
        "out hidden, in ffn; closes, not_last");

  // No norm comes with it, so the stream grows as before.
  const Schema minimax = schema_of(tiny("minimax_h3"));
  const ZeroChannels wider{.to = minimax.space("hidden").space.size + 2};
  CHECK(plan(minimax, accept_conditions, MixtureOfExperts{.experts = 4}, wider).certificate().exactness ==
        Exactness::exact);
}

TEST_CASE("Index 0 is kept when asked for, with a note", "[soundness]") {
  const Schema s = schema_of(tiny("wan"));
  const auto notes = [&](const InsertBlocks& op) {
    std::string all;
    for (const auto& n : plan(s, op).notes()) all += n + "\n";
    return all;
  };
  CHECK(says(notes({.at = {0}}), "index 0", "reuse the first step"));
  CHECK_FALSE(says(notes({.count = 1, .placement = Placement::prefix}), "reuse the first step"));
  CHECK(plan(s, InsertBlocks{.count = 1, .placement = Placement::prefix}).block_map("blocks") ==
        std::vector<std::int64_t>{0, -1, 1, 2});
}

TEST_CASE("A folder whose config.json tells of another model is not read back", "[soundness]") {
  const Release r = tiny("wan");
  const Schema s = schema_of(r);
  const Plan p = plan(s, InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = 2 * s.space("ffn").space.size});
  CHECK(says(message_of<format_error>([&] { s.reader(names_of(p.schema()), r.config, "grown"); }), "is",
             "by the shapes of the file"));
  CHECK(says(difference(p.schema(), s), "blocks; the plan promised"));
}

TEST_CASE("a size that no shape shows is asked of a config.json beside the weights, where none was read") {
  const Release r = tiny("stdit1");
  const Names names(r.tensors, r.name);
  const auto refused = message_of<format_error>([&] { family_of(names, r.config, r.name).schema(names, "", r.name); });
  INFO(refused);
  CHECK(says(refused, "cannot tell the size of 'height'", "no config.json was read, which says 'input_size.1'",
             "folder"));
}
