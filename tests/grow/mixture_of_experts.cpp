// SPDX-License-Identifier: MIT
// Mixtures of experts compute what the layer did, whatever the router; experts part at the first step; their gradients
// add up to that of the layer, and with equal shares AdamW follows the small model; what makes no sense is refused.
#include <cmath>
#include <set>

#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/mixture_of_experts.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>

#include "adamw.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
using tiny::State;

namespace {

tiny::Config config_of(const Plan& p, std::size_t active = 2) {
  auto c = tiny::config_of(p.schema());
  c.active = active;
  return c;
}
State<double> grown(const Plan& p, const State<double>& w) {
  return tiny::from_dict(grow_weights(p, tiny::to_dict<double>(p.source(), w)));
}
double largest(const std::vector<double>& v) {
  double most = 0;
  for (double x : v) most = std::max(most, std::abs(x));
  return most;
}
std::string expert(std::size_t e, const std::string& rest, const std::string& block = "blocks.0") {
  return block + ".mlp.experts." + std::to_string(e) + "." + rest;
}

}  // namespace

TEST_CASE("a mixture of copies computes what the layer did, whatever the router", "[mixture]") {
  const tiny::Config c{.text = 3};
  const auto s = tiny::schema(c);
  const auto law = [&](const Plan& p, std::size_t active) {
    INFO(p.steps().back().what << ", " << active << " active");
    CHECK(p.certificate().exactness == Exactness::exact);
    for (const double loud : {1.0, 40.0, 1e3}) {
      const auto w = tiny::random_state(s);
      auto g = grown(p, w);
      for (auto& [name, values] : g)
        if (name.ends_with("router.weight"))
          for (double& x : values) x *= loud;
      CHECK(tiny::distance(tiny::forward(c, w), tiny::forward(config_of(p, active), g)) <= 1e-12);
      CHECK(tiny::distance(tiny::forward_float(c, w), tiny::forward_float(config_of(p, active), g)) <= 1e-5);
    }
    const auto old = tiny::to_dict<double>(s, tiny::random_state(s));
    const auto now = grow_weights(p, old);
    const auto before = modelgrow::detail::views_of(old), after = modelgrow::detail::views_of(now);
    CHECK(check_weights(p, TensorSet(before, "old"), TensorSet(after, "new")).max_residual == 0);
    CHECK(to_json(plan_from_json(to_json(p), s)) == to_json(p));
  };
  for (const auto& [experts, active] : {std::pair{2, 1}, {4, 2}, {3, 3}, {7, 5}})
    law(plan(s, MixtureOfExperts{.experts = experts, .active = active, .seed = 3}), std::size_t(active));
  const MixtureOfExperts four{.experts = 4};
  law(plan(s, four, Net2Wider{.space = "ffn", .to = 13, .noise_db = 20}, InsertBlocks{.every = 1},
           Net2Wider{.space = "hidden", .to = 12, .noise_db = 20}),
      2);
  law(plan(s, InsertBlocks{.every = 1}, Net2Wider{.space = "hidden", .to = 12}, four, InsertBlocks{.at = {2}}), 2);
}

TEST_CASE("an inserted block of mixtures is closed, and mixtures are named for their layer", "[mixture]") {
  const Plan p = plan(tiny::schema({}), MixtureOfExperts{.experts = 3}, InsertBlocks{.at = {1}});
  CHECK(p.schema().find("blocks.0.mlp.fc1.weight") == nullptr);
  CHECK(p.schema().find("blocks.0.mlp.router.weight")->shape() == Shape{3, 6});
  for (const auto& r : p.recipes()) {
    if (r.name.starts_with("blocks.1.mlp.experts.")) CHECK(r.closed == (r.name.find("fc2") != r.name.npos));
    if (r.name == expert(2, "fc1.bias", "blocks.2")) CHECK(r.source == "blocks.1.mlp.fc1.bias");
  }
  CHECK(says(p.upstream_cannot(), "the class has no 'MixtureOfExperts'", "'blocks.{}.mlp.fc1.weight'"));
  CHECK(plan(p.schema(), InsertBlocks{.at = {1}}).upstream_cannot().empty());  // it could not before
  const GraftRecord& record = p.schema().grafts.at(0);
  CHECK(record.options == R"({"experts":3,"active":2})");
  CHECK(record.tensors.front() ==
        std::pair<std::string, std::string>{"blocks.{}.mlp.experts.{0,1,2}.fc1.weight", "out ffn, in hidden"});
}

TEST_CASE("tokens see different experts, which part at the first step, and then the router learns", "[mixture]") {
  const auto s = tiny::schema({});
  const Plan p = plan(s, MixtureOfExperts{.experts = 4, .seed = 1});
  const auto c = config_of(p);
  auto w = grown(p, tiny::random_state(s));
  const auto before = tiny::forward(c, w);
  std::set<std::size_t> seen;
  for (std::size_t e = 0; e < 4; ++e) {
    auto moved = w;
    for (double& x : moved.at(expert(e, "fc2.bias"))) x += 1;
    const double change = tiny::distance(before, tiny::forward(c, moved));
    if (change > 1e-3) seen.insert(e);
  }
  CHECK(seen.size() >= 3);
  const auto router = [&] { return largest(tiny::gradient(c, w, 0).at("blocks.0.mlp.router.weight")); };
  CHECK(router() <= 1e-15);  // equal experts: it makes no difference which are chosen
  tiny::AdamW optimizer(p.schema());
  optimizer.step(w, tiny::gradient(c, w, 0));
  CHECK(w.at(expert(0, "fc1.weight")) != w.at(expert(1, "fc1.weight")));
  CHECK(router() > 1e-6);
}

TEST_CASE("gradients of the experts add up to the gradient of the layer", "[mixture]") {
  const tiny::Config c;
  const auto s = tiny::schema(c);
  const auto w = tiny::random_state(s);
  const Plan p = plan(s, MixtureOfExperts{.experts = 5, .active = 3, .seed = 2});
  const auto dense = tiny::gradient(c, w, 0), mixed = tiny::gradient(config_of(p, 3), grown(p, w), 0);
  for (const char* rest : {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"})
    for (const std::string block : {"blocks.0", "blocks.1"}) {
      auto sum = dense.at(block + ".mlp." + rest);
      const double scale = largest(sum);
      for (std::size_t e = 0; e < 5; ++e)
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] -= mixed.at(expert(e, rest, block))[i];
      CHECK(largest(sum) <= 1e-12 * scale);
    }
  for (const auto& [name, values] : dense)
    if (name.find("mlp") == name.npos) CHECK(tiny::distance(values, mixed.at(name)) <= 1e-12);
}

TEST_CASE("with equal shares, AdamW follows the small model; other moments would not", "[mixture]") {
  const tiny::Config c;
  const auto s = tiny::schema(c);
  auto a = tiny::random_state(s);
  tiny::AdamW small(s);
  for (int step = 0; step < 3; ++step) small.step(a, tiny::gradient(c, a, step));
  const auto saved = small.save(s);
  const Plan p = plan(s, MixtureOfExperts{.experts = 4, .active = 4}, Net2Wider{.space = "ffn", .to = 8});
  CHECK(p.trajectory().exactness == Exactness::approximate);
  CHECK(says(p.trajectory().reason, "its own tokens", "1/4"));
  const auto level = [](State<double> state) {
    for (auto& [name, values] : state)
      if (name.ends_with("router.weight")) std::fill(values.begin(), values.end(), 0.0);
    return state;
  };
  auto b = level(grown(p, a));
  const auto state = grow_optimizer(p, saved);
  const auto before = modelgrow::detail::views_of(saved), after_ = modelgrow::detail::views_of(state);
  CHECK(check_optimizer(p, TensorSet(before, "old"), TensorSet(after_, "new")).tensors.size() > 0);
  tiny::AdamW after(p.schema());
  after.load(p.schema(), state);
  CHECK(after.multipliers.at(expert(0, "fc1.bias")).lr == std::vector<double>{1.0});
  CHECK(after.multipliers.at(expert(0, "fc2.weight")).eps == std::vector<double>{0.25});
  auto whole = after, unscaled = after;
  for (auto& [name, m] : whole.m)
    if (name.find("experts") != name.npos)
      for (std::size_t i = 0; i < m.size(); ++i) m[i] *= 4, whole.v.at(name)[i] *= 16;
  for (auto& [name, m] : unscaled.multipliers) m.eps = {1.0};
  auto b2 = b, b3 = b;
  const auto config = config_of(p, 4);
  for (int step = 3; step < 8; ++step) {
    small.step(a, tiny::gradient(c, a, step));
    for (auto [optimizer, x] : {std::pair{&after, &b}, {&whole, &b2}, {&unscaled, &b3}}) {
      optimizer->step(*x, tiny::gradient(config, *x, step));
      *x = level(std::move(*x));
    }
  }
  const auto expected = level(grown(p, a));
  const auto worst = [&](const State<double>& x) {
    double most = 0;
    for (const auto& [name, values] : expected) most = std::max(most, tiny::distance(values, x.at(name)));
    return most;
  };
  CHECK(worst(b) <= 1e-8);
  CHECK(worst(b2) > 1e-4);
  CHECK(worst(b3) > 2 * worst(b));
}

TEST_CASE("the check of the optimizer finds moments that were not shared out", "[mixture]") {
  const auto s = tiny::schema({});
  auto w = tiny::random_state(s);
  tiny::AdamW small(s);
  small.step(w, tiny::gradient({}, w, 0));
  const auto saved = small.save(s);
  const Plan p = plan(s, MixtureOfExperts{.experts = 4});
  for (const char* kind : {"adamw.m.", "adamw.v."}) {
    auto state = grow_optimizer(p, saved);
    state.at(kind + expert(1, "fc1.weight")) = saved.at(kind + std::string("blocks.0.mlp.fc1.weight"));
    const auto before = modelgrow::detail::views_of(saved), after = modelgrow::detail::views_of(state);
    CHECK(says(message_of<check_error>([&] { check_optimizer(p, TensorSet(before, "old"), TensorSet(after, "new")); }),
               expert(1, "fc1.weight"), "does not add up"));
  }
}

TEST_CASE("mixtures that make no sense are refused with the reason", "[mixture]") {
  const auto s = tiny::schema({});
  const auto refusal = [&](const auto&... ops) { return message_of<plan_error>([&] { plan(s, ops...); }); };
  CHECK(says(refusal(MixtureOfExperts{}), "0 experts", "2 to 4096"));
  CHECK(says(refusal(MixtureOfExperts{.experts = 1, .active = 1}), "1 experts", "2 to 4096"));
  CHECK(says(refusal(MixtureOfExperts{.experts = 4, .active = 5}), "5 of 4 experts", "1 to 4"));
  CHECK(says(refusal(MixtureOfExperts{.experts = 4, .active = 0}), "0 of 4 experts", "1 to 4"));
  CHECK(says(refusal(MixtureOfExperts{.experts = 1000000}), "1000000 experts", "2 to 4096"));
  CHECK(says(refusal(MixtureOfExperts{.experts = 4, .space = "ff"}), "no space named 'ff'", "ffn (5)"));
  CHECK(says(refusal(MixtureOfExperts{.experts = 4, .stack = "layers"}), "no stack named 'layers'"));
  CHECK(says(refusal(MixtureOfExperts{.experts = 4}, MixtureOfExperts{.experts = 4}),
             "'blocks.0.mlp' is a mixture of experts already"));
  CHECK(says(refusal(MixtureOfExperts{.experts = 4}, MixtureOfExperts{.experts = 3}), R"("experts":4)",
             R"("experts":3)", "cannot be recorded beside"));
  CHECK(says(refusal(MixtureOfExperts{.experts = 4, .space = "hidden"}), "'hidden' of family 'tiny'",
             "inside of a feed-forward layer"));
  CHECK(says(refusal(MixtureOfExperts{.experts = 4, .space = "heads"}), "sees each token alone"));
  Schema outside = s;
  for (auto& x : outside.spaces)
    if (x.space.name == "ffn") outside.spaces.push_back({.space = {.name = "idle", .size = 2}});
  CHECK(says(message_of<plan_error>([&] { plan(outside, MixtureOfExperts{.experts = 4, .space = "idle"}); }),
             "no block of family 'tiny'", "'idle'"));

  const auto router = [](const char* name, Init init, Axes axes) {
    return Upcycle{.routers = {{.name = name, .dtype = DType::f64, .info = {.axes = std::move(axes), .init = init}}},
                   .experts = 3};
  };
  const Extent hidden = s.space("hidden").space;
  const auto says_no = [&](const Upcycle& verb) { return message_of<plan_error>([&] { Plan(s).say(verb); }); };
  CHECK(says(says_no(router("blocks.0.mlp.router.weight", Init::zeros(), {fixed(3), in(hidden)})), "has to be random",
             "to the first experts for ever"));
  CHECK(says(says_no(router("blocks.0.mlp.router.weight", Init::normal(1), {fixed(4), in(hidden)})), "'fixed 3'"));
  CHECK(says(says_no(router("blocks.0.mlp.gate.weight", Init::normal(1), {fixed(3), in(hidden)})),
             "no name of a router"));
  CHECK(says(says_no(router("blocks.0.ff.router.weight", Init::normal(1), {fixed(3), in(hidden)})),
             "no layer 'blocks.0.ff'"));
  CHECK(says(says_no(Upcycle{.routers = {}, .experts = 3}), "no layer was named"));
  auto many = router("blocks.0.mlp.router.weight", Init::normal(1), {fixed(1 << 20), in(hidden)});
  many.experts = 1 << 20;
  CHECK(says(says_no(many), "1048576 experts; expected 2 to 4096"));
}
