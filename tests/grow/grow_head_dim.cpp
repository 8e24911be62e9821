// SPDX-License-Identifier: MIT
// Wider heads: MiniMax-H3 with its per-head norms and rotary positions, and a transformer without either, compute the
// same at any width of a head; forgetting a factor is seen; other families are refused.
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/operators/grow_head_dim.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/operators/zero_channels.hpp>
#include <modelgrow/grow/plan_json.hpp>

#include "minimax.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
using tiny::State;

namespace {

State<double> grown(const Plan& p, const State<double>& w) {
  return tiny::from_dict(grow_weights(p, tiny::to_dict<double>(p.source(), w)));
}
double change(const Plan& p, const State<double>& w, const Schema& as) {
  return tiny::distance(minimax::forward(p.source(), w), minimax::forward(as, grown(p, w)));
}
double residual(const Plan& p, const State<double>& w) {
  const auto old = tiny::to_dict<double>(p.source(), w);
  const auto now = grow_weights(p, old);
  const auto before = modelgrow::detail::views_of(old), after = modelgrow::detail::views_of(now);
  return check_weights(p, TensorSet(before, "old"), TensorSet(after, "new")).max_residual;
}

/// The transformer of tiny.hpp, fused queries, keys and values and no norm of them, with head_dim as a space.
Schema plain(const tiny::Config& c = {.text = 3}) {
  Schema s = tiny::schema(c);
  for (auto& p : s.parameters) {
    for (auto& a : p.info.axes)
      for (auto& term : a.extent.terms())
        for (std::size_t i = 1; i < term.size(); ++i)
          if (term[i - 1].name == "heads" && term[i].name.empty()) term[i].name = "head_dim";
    p.info.silencing.query = p.name.find("qkv") != p.name.npos || p.name.find("cross.q.") != p.name.npos;
    if (p.name.find("qkv") != p.name.npos) p.info.silencing.queries = {0};
  }
  s.spaces.push_back(
      SpaceSpec{.space = {.name = "head_dim", .size = c.head_dim}, .rules = {.copies = Copies::in_heads}});
  return s;
}
double change_of_plain(const Plan& p) {
  const auto w = tiny::random_state(p.source());
  return tiny::distance(tiny::forward({.text = 3}, w), tiny::forward(tiny::config_of(p.schema()), grown(p, w)));
}

}  // namespace

TEST_CASE("MiniMax-H3 computes the same with wider heads", "[grow_head_dim]") {
  const Schema s = minimax::schema();
  const auto w = tiny::random_state(s);
  const std::vector<Plan> plans{
      plan(s, GrowHeadDim{.to = 15}), plan(s, GrowHeadDim{.to = 28}),
      plan(s, GrowHeadDim{.to = 16}, GrowHeadDim{.to = 21}),
      plan(s, ZeroChannels{.to = 37}, GrowHeadDim{.to = 20}, Net2Wider{.space = "heads", .to = 5},
           InsertBlocks{.stack = "transformer_blocks", .every = 1})};
  for (const auto& p : plans) {
    CHECK(p.certificate().exactness == Exactness::exact);
    CHECK(change(p, w, p.schema()) <= 1e-12);
    CHECK(residual(p, w) == 0);
    CHECK(to_json(plan_from_json(to_json(p), s)) == to_json(p));
  }
  Schema forgotten = plans[1].schema();
  for (auto& e : forgotten.epsilons)
    if (e.key == "qk_norm_eps") {
      CHECK(e.value == 0.5e-5);
      e.value = 1e-5;
    }
  CHECK(change(plans[1], w, forgotten) > 1e-9);
  Schema unmarked = s;
  for (auto& p : unmarked.parameters) p.info.silencing.query = false;
  const Plan naive = plan(unmarked, GrowHeadDim{.to = 28});
  CHECK(change(naive, w, naive.schema()) > 1e-4);
}

TEST_CASE("Without norms of queries any width of a head is exact, fused or not", "[grow_head_dim]") {
  const Schema s = plain();
  for (const std::int64_t to : {3, 4, 7}) {
    const Plan p = plan(s, GrowHeadDim{.to = to}, Net2Wider{.space = "ffn", .to = 9});
    CHECK(p.certificate().exactness == Exactness::exact);
    CHECK(change_of_plain(p) <= 1e-12);
    CHECK(residual(p, tiny::random_state(s)) == 0);
  }
  Schema flat = s;  // the factor on keys and values, too
  for (auto& p : flat.parameters) p.info.silencing.queries.clear();
  CHECK(change_of_plain(plan(flat, GrowHeadDim{.to = 4})) > 1e-3);
  // Only keys are zero, so that they learn at once.
  const Plan p = plan(s, GrowHeadDim{.to = 3});
  const auto g = grown(p, tiny::random_state(s));
  const auto d = tiny::gradient(tiny::config_of(p.schema()), g, 0);
  const std::size_t key = 8 * 6;  // the new channel of the keys of head 0 is row 8 of 18
  double weight = 0, gradient = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    weight += std::abs(g.at("blocks.0.attn.qkv.weight")[key + i]);
    gradient += std::abs(d.at("blocks.0.attn.qkv.weight")[key + i]);
  }
  CHECK(weight == 0);
  CHECK(gradient > 0);
}

TEST_CASE("Heads that cannot grow inside are refused", "[grow_head_dim]") {
  const auto refusal = [](const Schema& from, const auto&... ops) {
    return message_of<plan_error>([&] { plan(from, ops...); });
  };
  const Schema s = minimax::schema();
  CHECK(says(refusal(s, GrowHeadDim{.to = 14}), "'head_dim' has 14 channels; 14 would add none"));
  CHECK(says(refusal(tiny::schema({}), GrowHeadDim{.to = 8}), "family 'tiny' cannot grow inside", "in_heads"));
  CHECK(says(refusal(s, GrowHeadDim{.space = "heads", .to = 8}), "does not mark 'heads' as in_heads"));
  CHECK(says(refusal(s, Net2Wider{.space = "head_dim", .to = 28}), "the softmax is scaled by their number",
             "GrowHeadDim adds some"));
  Schema bare = s;
  bare.epsilons.clear();
  CHECK(says(refusal(bare, GrowHeadDim{.to = 28}), "only if the epsilon of the norms over 'head_dim' becomes 14/28"));
}
