// SPDX-License-Identifier: MIT
// Grown gradients are the gradients of the grown model, and AdamW with grown moments and multipliers follows the
// trajectory of the small model; forgetting any part of the transport is seen.
#include <cmath>

#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "adamw.hpp"
#include "run_kernel.hpp"
#include "tests/support/catch.hpp"
#include "tiny.hpp"

using namespace modelgrow;
using tiny::State;

namespace {

double worst(const State<double>& a, const State<double>& b) {
  double scale = 0, most = 0;
  for (const auto& [n, v] : a)
    for (double x : v) scale = std::max(scale, std::abs(x));
  for (const auto& [n, v] : a) {
    const auto& u = b.at(n);
    REQUIRE(u.size() == v.size());
    for (std::size_t i = 0; i < v.size(); ++i) most = std::max(most, std::abs(v[i] - u[i]));
  }
  return most / scale;
}

/// Applies a plan to gradients, as a trainer would that grows in the middle of an accumulation.
State<double> grow_gradients(const Plan& p, const State<double>& g) {
  State<double> r;
  for (const auto& recipe : p.recipes()) {
    auto& v = r[recipe.name];
    v.resize(std::size_t(numel(recipe.shape)));
    if (recipe.zeros(Of::gradients)) continue;
    v = tiny::run_kernel(recipe, Of::gradients, g.at(recipe.source).data(), 0, std::int64_t(v.size()));
  }
  return r;
}

std::vector<Plan> exact_plans(const tiny::Config& c) {
  const auto s = tiny::schema(c);
  return {plan(s, Net2Wider{.space = "ffn", .to = 8, .seed = 3}),
          plan(s, Net2Wider{.space = "ffn", .to = 13, .seed = 4, .splits = Splits::dyadic}),
          plan(s, Net2Wider{.space = "hidden", .to = 12}), plan(s, Net2Wider{.space = "hidden", .to = 18}),
          plan(s, Net2Wider{.space = "ffn", .to = 7}, Net2Wider{.space = "hidden", .to = 12},
               Net2Wider{.space = "ffn", .to = 17})};
}

}  // namespace

TEST_CASE("grown gradients are the gradients of the grown model") {
  const tiny::Config c{.text = 3, .conv = true};
  const auto w = tiny::random_state(tiny::schema(c));
  for (const auto& p : exact_plans(c)) {
    CHECK(p.trajectory().exactness == Exactness::exact);
    const auto grown = tiny::from_dict(grow_weights(p, tiny::to_dict<double>(p.source(), w)));
    const auto truth = tiny::gradient(tiny::config_of(p.schema()), grown, 0);
    const auto g = tiny::gradient(c, w, 0);
    CHECK(worst(truth, grow_gradients(p, g)) <= 1e-12);
    // The rule of the weights would be wrong.
    CHECK(worst(truth, tiny::from_dict(grow_weights(p, tiny::to_dict<double>(p.source(), g)))) > 1e-2);
  }
}

TEST_CASE("five AdamW steps after growth follow the small model") {
  const tiny::Config c{.text = 3, .conv = true};
  const auto s = tiny::schema(c);
  auto w = tiny::random_state(s);
  tiny::AdamW small(s);
  for (int step = 0; step < 3; ++step) small.step(w, tiny::gradient(c, w, step));
  const auto saved = small.save(s);

  for (const auto& p : exact_plans(c)) {
    const auto config = tiny::config_of(p.schema());
    auto a = w, b = tiny::from_dict(grow_weights(p, tiny::to_dict<double>(s, w)));
    tiny::AdamW before = small, after(p.schema());
    after.load(p.schema(), grow_optimizer(p, saved));
    auto c2 = b, c3 = b;
    tiny::AdamW unscaled = after, forgetful(p.schema());
    for (auto& [n, m] : unscaled.multipliers) m = Multipliers{};
    for (int step = 3; step < 8; ++step) {
      before.step(a, tiny::gradient(c, a, step));
      after.step(b, tiny::gradient(config, b, step));
      unscaled.step(c2, tiny::gradient(config, c2, step));
      forgetful.step(c3, tiny::gradient(config, c3, step));
    }
    const auto expected = tiny::from_dict(grow_weights(p, tiny::to_dict<double>(s, a)));
    CHECK(worst(expected, b) <= 1e-8);
    CHECK(worst(expected, c2) > 1e-4);
    CHECK(worst(expected, c3) > 1e-4);
  }
}

TEST_CASE("growing twice moves the optimizer as growing once does") {
  const tiny::Config c;
  const auto s = tiny::schema(c);
  auto w = tiny::random_state(s);
  tiny::AdamW small(s);
  small.step(w, tiny::gradient(c, w, 0));
  const auto both = plan(s, Net2Wider{.space = "ffn", .to = 8}, Net2Wider{.space = "hidden", .to = 12});
  const auto first = plan(s, Net2Wider{.space = "ffn", .to = 8});
  const auto second = plan(first.schema(), Net2Wider{.space = "hidden", .to = 12});
  const auto saved = small.save(s);
  CHECK(grow_optimizer(second, grow_optimizer(first, saved)) == grow_optimizer(both, saved));
  const auto weights = tiny::to_dict<double>(s, w);
  CHECK(grow_weights(second, grow_weights(first, weights)) == grow_weights(both, weights));
}

TEST_CASE("an inserted block starts fresh and the others keep their state") {
  const tiny::Config c;
  const auto s = tiny::schema(c);
  auto w = tiny::random_state(s);
  tiny::AdamW small(s);
  for (int step = 0; step < 3; ++step) small.step(w, tiny::gradient(c, w, step));
  const auto p = plan(s, Net2Wider{.space = "ffn", .to = 10}, InsertBlocks{.at = {1}});
  const auto state = grow_optimizer(p, small.save(s));
  for (const char* kind : {"adamw.m.", "adamw.v.", "adamw.step."}) {
    for (double x : tiny::numbers(state.at(kind + std::string("blocks.1.mlp.fc2.weight")))) CHECK(x == 0);
    double most = 0;
    for (double x : tiny::numbers(state.at(kind + std::string("blocks.2.mlp.fc2.weight"))))
      most = std::max(most, std::abs(x));
    CHECK(most > 0);
  }
  CHECK(tiny::numbers(state.at("adamw.lr.blocks.1.mlp.fc2.weight")) ==
        std::vector<double>{0.5});  // as its elder, for muP's reason
  CHECK(tiny::numbers(state.at("adamw.eps.blocks.2.mlp.fc1.weight")) == std::vector<double>{0.5});
  CHECK_FALSE(state.contains("adamw.lr.final.linear.weight"));
}

TEST_CASE("multipliers of uneven splits are vectors over columns and rows") {
  const auto s = tiny::schema(tiny::Config{});
  Plan p(s);
  p.remap(
      {SpaceMap{.space = "ffn", .old_size = 5, .from = {0, 1, 2, 3, 4, 2, 2}, .split = {1, 1, 0.5, 1, 1, 0.25, 0.25}}});
  const std::vector<double> splits{1, 1, 0.5, 1, 1, 0.25, 0.25};
  for (std::size_t i = 0; i < p.schema().parameters.size(); ++i) {
    const auto m = grow_multipliers(p.recipe(i));
    const auto& name = p.schema().parameters[i].name;
    if (name == "blocks.0.mlp.fc2.weight")
      CHECK(m == Multipliers{.lr = splits, .eps = {1.0}});
    else if (name == "blocks.0.mlp.fc1.weight" || name == "blocks.0.mlp.fc1.bias")
      CHECK(m == Multipliers{.lr = {1.0}, .eps = splits});
    else if (name.find("fc") == name.npos)
      CHECK(m.trivial());
  }
}
