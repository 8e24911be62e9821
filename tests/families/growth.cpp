// SPDX-License-Identifier: MIT
// Every operator on every family: what the certificate calls exact is written, checked byte by byte, and read back as
// the schema that the plan promised; what is not exact is refused with a reason.
#include <set>

#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/families/all.hpp>
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/families/family_text.hpp>
#include <modelgrow/grow/operators/grow_channels.hpp>
#include <modelgrow/grow/operators/grow_head_dim.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/interpolate_positions.hpp>
#include <modelgrow/grow/operators/mixture_of_experts.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/operators/optimizer_policy.hpp>
#include <modelgrow/grow/operators/zero_channels.hpp>
#include <modelgrow/grow/read_back.hpp>
#include <modelgrow/grow/write.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/random_folder.hpp"
#include "tests/support/release_schema.hpp"
#include "tests/support/scratch.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// Groups of stacks that grow together, "a+b".
std::set<std::string> stacks_of(const Schema& s) {
  std::set<std::string> groups;
  const Plan p(s);
  for (const auto& stack : s.stacks) {
    auto group = p.paired(stack.name);
    std::sort(group.begin(), group.end());
    groups.insert(detail::join(group, '+'));
  }
  return groups;
}

/// What reading the grown names and the patched configuration gives.
Schema read_again(const Plan& p, const Release& r) {
  const std::string config = detail::patched_config(r.config, changed_config(p.source(), p.schema()), r.name);
  return p.source().reader(names_of(p.schema()), config, r.name);
}

}  // namespace

TEST_CASE("Grown names and config.json of every release read back as promised", "[families]") {
  for (const auto& r : releases()) {
    const Schema s = schema_of(r);
    std::int64_t grown = 0;
    const auto law = [&](const auto& op, const std::string& what) {
      INFO(r.family + ": " + r.name + ": " + what);
      try {
        const Plan p = plan(s, accept_conditions, op);
        CHECK(p.certificate().exactness != Exactness::approximate);
        CHECK(difference(p.schema(), read_again(p, r)) == "");
        ++grown;
      } catch (const plan_error& e) {
        CHECK(std::string(e.what()).size() > 60);  // a reason, and what to do
      }
    };
    for (const auto& group : stacks_of(s)) law(InsertBlocks{.stack = group, .every = 1}, "every block of " + group);
    for (const auto& group : stacks_of(s))
      law(
          InsertBlocks{
              .stack = group, .count = s.stack(group.substr(0, group.find('+'))).count, .placement = Placement::stack},
          group + " once more");
    for (const auto& space : s.spaces)
      law(Net2Wider{.space = space.space.name, .to = 2 * space.space.size}, space.space.name + " x 2");
    law(ZeroChannels{.to = s.space("hidden").space.size + 2}, "two channels of zeros");
    for (const auto& stack : s.stacks)
      law(MixtureOfExperts{.experts = 8, .stack = stack.name}, "8 experts in " + stack.name);
    for (const auto& space : s.spaces) {
      if (space.rules.copies == Copies::channels)
        law(GrowChannels{.space = space.space.name, .to = space.space.size + 20}, "20 more of " + space.space.name);
      if (space.rules.copies == Copies::in_heads) law(GrowHeadDim{.to = space.space.size + 8}, "wider heads");
    }
    CHECK(grown > 0);
  }
}

TEST_CASE("Tiny models of every family grow on disk, in float and bf16", "[families]") {
  const Scratch scratch;
  std::set<std::string> seen, mixed, open, taken;
  for (const auto& r : releases()) {
    if (!r.tiny()) continue;
    seen.insert(r.family);
    for (const DType type : {DType::f32, DType::bf16}) {
      const auto base = scratch.path() / "base", grown = scratch.path() / "grown";
      std::filesystem::remove_all(base);
      random_folder(base, r, type);
      const auto in = Checkpoint::open(base);
      const Schema s = family_of(in.names(), in.config(), "tiny").schema(in);
      const auto law = [&](const auto&... ops) {
        std::filesystem::remove_all(grown);
        std::optional<Plan> p;
        try {
          p = plan(s, accept_conditions, accept_upstream, ops...);
        } catch (const plan_error&) {
          return false;
        }
        INFO(r.family + ": " + r.name + ": " + p->steps().back().what);
        const Report report = p->write(in, grown);
        CHECK(report.read_back);
        CHECK(report.max_residual == 0);
        CHECK(report.checked >= s.parameters.size());
        if (!p->schema().grafts.empty()) mixed.insert(r.family);
        return true;
      };
      for (const auto& group : stacks_of(s)) law(InsertBlocks{.stack = group, .count = 2});
      for (const auto& group : stacks_of(s))
        for (const auto start : {BlockStart::plain, BlockStart::opened, BlockStart::random})
          if (law(allow_approximate, OptimizerPolicy{.moments = Moments::reset_new},
                  InsertBlocks{.stack = group, .count = 2, .placement = Placement::stack, .start = start},
                  Net2Wider{.space = "ffn", .to = 2 * s.space("ffn").space.size}))
            open.insert(r.family + " " + std::string(words_of(start)[std::size_t(start)]));
      for (const auto& space : s.spaces) law(Net2Wider{.space = space.space.name, .to = 2 * space.space.size});
      try {
        std::filesystem::remove_all(grown);
        const Net2Wider op{.space = "ffn", .to = 2 * s.space("ffn").space.size, .rows = NewRows::next};
        const Report report = plan(s, allow_approximate, accept_upstream, op).write(in, grown);
        CHECK(report.read_back);
        CHECK(report.max_residual > 0);  // new rows are of the next block
        taken.insert(r.family);
      } catch (const plan_error& e) {
        CHECK(std::string(e.what()).find("in no stack") != std::string::npos);
      }
      law(ZeroChannels{.to = s.space("hidden").space.size + 14});
      for (const auto& space : s.spaces) {
        if (space.rules.copies == Copies::channels)
          law(GrowChannels{.space = space.space.name, .to = space.space.size + 3},
              Net2Wider{.space = "ffn", .to = 2 * s.space("ffn").space.size});
        if (space.rules.copies == Copies::in_heads)
          for (const std::int64_t to : {space.space.size + 5, 2 * space.space.size}) law(GrowHeadDim{.to = to});
        if (space.rules.copies == Copies::positions)
          law(allow_approximate, InterpolatePositions{.space = space.space.name, .to = space.space.size + 3});
      }
      for (const auto& stack : s.stacks) {
        const MixtureOfExperts experts{.experts = 3, .stack = stack.name};
        law(experts);
        law(experts, InsertBlocks{.stack = *stacks_of(s).begin(), .count = 1},
            Net2Wider{.space = "ffn", .to = s.space("ffn").space.size + 3, .noise_db = 20});
      }
      law(InsertBlocks{.stack = *stacks_of(s).begin(), .count = 1},
          Net2Wider{.space = "ffn", .to = 2 * s.space("ffn").space.size});
    }
  }
  CHECK(seen.size() == known_families().size());
  CHECK(mixed == seen);
  CHECK(taken.size() > seen.size() / 2);
  for (const auto& family : seen)
    for (const std::string start : {" plain", " opened", " random"}) {
      INFO(family << start);
      CHECK(open.contains(family + start) == (family + start != "mochi opened"));  // whose gates are rows
    }
}
