// SPDX-License-Identifier: MIT
// Channels that start at zero: MiniMax-H3 computes the same at any width, its new channels learn, and families that
// would feel them are refused.
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/operators/zero_channels.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/plan_print.hpp>
#include <modelgrow/grow/silent.hpp>

#include "minimax.hpp"
#include "run_kernel.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using minimax::change;
using minimax::grown;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
using tiny::State;

namespace {

/// What the file check says of a state; changed(state) first.
template <class F>
std::string complaint(const Plan& p, const State<double>& w, F&& changed) {
  const auto old = tiny::to_dict<double>(p.source(), w);
  auto now = tiny::from_dict(grow_weights(p, old));
  changed(now);
  const auto dict = tiny::to_dict<double>(p.schema(), now);
  const auto before = modelgrow::detail::views_of(old), after = modelgrow::detail::views_of(dict);
  return message_of<check_error>([&] { check_weights(p, TensorSet(before, "old"), TensorSet(after, "new")); });
}

}  // namespace

TEST_CASE("Channels that start at zero keep the function at any size", "[zero_channels]") {
  const Schema s = minimax::schema();
  const auto w = tiny::random_state(s);
  std::vector<Plan> plans;
  for (const std::int64_t to : {31, 44, 60, 97}) plans.push_back(plan(s, ZeroChannels{.to = to}));
  plans.push_back(plan(s, ZeroChannels{.to = 44}, ZeroChannels{.to = 45}, ZeroChannels{.to = 52}));
  plans.push_back(plan(s, Net2Wider{.space = "hidden", .to = 60, .noise_db = 20}, ZeroChannels{.to = 71}));
  plans.push_back(plan(s, ZeroChannels{.to = 37}, Net2Wider{.space = "hidden", .to = 74, .noise_db = 20},
                       Net2Wider{.space = "ffn", .to = 30}, InsertBlocks{.stack = "transformer_blocks", .every = 1},
                       ZeroChannels{.to = 80}));
  for (const auto& p : plans) {
    CHECK(p.certificate().exactness == Exactness::exact);
    CHECK(p.trajectory().exactness == Exactness::approximate);
    CHECK(change(p, w, p.schema()) <= 1e-12);
    CHECK(complaint(p, w, [](auto&) {}) == "");
    const auto text = to_json(p);
    const Plan again = plan_from_json(text, s);
    CHECK(to_json(again) == text);
    CHECK(grown(again, w) == grown(p, w));
  }
  CHECK(says(to_string(plans[1]), "choose the clipping threshold anew"));
  CHECK_FALSE(says(to_string(plans[1]), "copies of a unit"));  // there are none
  // Each part of the rule is needed.
  Schema forgotten = plans[1].schema();
  for (std::size_t i = 0; i < forgotten.epsilons.size(); ++i) {
    const double follows = s.epsilons[i].space == "hidden" ? 44.0 / 30 : 1;
    CHECK_THAT(forgotten.epsilons[i].value * follows, WithinAbs(s.epsilons[i].value, 1e-20));
    forgotten.epsilons[i].value = s.epsilons[i].value;
  }
  CHECK(change(plans[1], w, forgotten) > 1e-9);
  Schema unmarked = s;
  for (auto& p : unmarked.parameters) p.info.silencing.gain = false;
  const Plan naive = plan(unmarked, ZeroChannels{.to = 44});
  CHECK(change(naive, w, naive.schema()) > 1e-2);
}

TEST_CASE("Where scaled gains do not fit the type of the file, the certificate says so", "[zero_channels]") {
  Schema half = minimax::schema();
  for (auto& p : half.parameters) p.dtype = DType::bf16;
  const auto reason = [](const Schema& s, std::int64_t to) {
    return plan(s, ZeroChannels{.to = to}).certificate().reason;
  };
  CHECK(says(reason(half, 44), "start silent, and the weights that make up for them are rounded to BF16"));
  CHECK_FALSE(says(reason(half, 120), "rounded"));  // the root of four is a power of two
  CHECK_FALSE(says(reason(minimax::schema(), 44), "rounded"));
}

TEST_CASE("New channels learn from the first step, old ones as before", "[zero_channels]") {
  const Schema s = minimax::schema();
  const auto w = tiny::random_state(s);
  const auto growth_of = [&](const Schema& from) {
    const Plan p = plan(from, ZeroChannels{.to = 44});
    return std::pair{p, minimax::gradient(p.schema(), grown(p, w))};
  };
  const auto [p, gradient] = growth_of(s);
  const auto small = minimax::gradient(s, w);
  double worst = 0, largest = 0;
  for (const auto& r : p.recipes()) {
    const auto moved = tiny::run_kernel(r, Of::gradients, small.at(r.source).data(), 0, numel(r.shape));
    const auto& truth = gradient.at(r.name);
    for (std::size_t i = 0; i < moved.size(); ++i) {
      largest = std::max(largest, std::abs(truth[i]));
      if (moved[i] != 0) worst = std::max(worst, std::abs(moved[i] - truth[i]));
    }
  }
  CHECK(worst <= 1e-10 * largest);
  // Every row that writes a new channel has a gradient; with gates that start at zero, none in the blocks would.
  const auto least = [](const State<double>& g, const std::string& name, std::size_t columns) {
    double smallest = INFINITY;
    for (std::size_t row = 30; row < 44; ++row) {
      double most = 0;
      for (std::size_t c = 0; c < columns; ++c) most = std::max(most, std::abs(g.at(name)[row * columns + c]));
      smallest = std::min(smallest, most);
    }
    return smallest;
  };
  for (const auto* name :
       {"transformer_blocks.0.attn.to_out.0.weight", "token_refiner.refiner_blocks.1.attn.to_out.0.weight"})
    CHECK(least(gradient, name, 42) > 0);
  CHECK(least(gradient, "proj_in.weight", 12) > 0);
  Schema flat = s;
  for (auto& q : flat.parameters) q.info.silencing.shifts.clear();
  CHECK(least(growth_of(flat).second, "transformer_blocks.0.attn.to_out.0.weight", 42) == 0);
}

TEST_CASE("Moments of silent units: no first one, the second of the unit beside", "[zero_channels]") {
  const Schema s = minimax::schema();
  const Plan p = plan(s, ZeroChannels{.to = 44});
  StateDict state;
  const auto w = tiny::random_state(s), m = tiny::random_state(s, 2);
  for (const auto& [name, t] : tiny::to_dict<double>(s, m)) {
    state[optimizer_name(OptimizerKind::m, name)] = t;
    auto squares = m;
    for (auto& x : squares[name]) x *= x;
    state[optimizer_name(OptimizerKind::v, name)] = tiny::to_dict<double>(s, squares)[name];
  }
  const auto now = grow_optimizer(p, state);
  const auto before = modelgrow::detail::views_of(state), after = modelgrow::detail::views_of(now);
  check_optimizer(p, TensorSet(before, "old"), TensorSet(after, "new"));
  const std::string name = "proj_in.bias", gain = "norm_out.norm.weight";
  const auto of = [&](OptimizerKind kind, const std::string& n) {
    return tiny::numbers(now.at(optimizer_name(kind, n)));
  };
  CHECK(of(OptimizerKind::m, name)[29] == m.at(name)[29]);
  CHECK(of(OptimizerKind::m, name)[30] == 0);
  CHECK(of(OptimizerKind::v, name)[30] == m.at(name)[0] * m.at(name)[0]);
  const double eta = std::sqrt(30.0 / 44);
  CHECK_THAT(of(OptimizerKind::m, gain)[3] * eta, WithinAbs(m.at(gain)[3], 1e-14));
  CHECK_THAT(of(OptimizerKind::lr, gain)[0], WithinAbs(eta, 1e-14));  // so that AdamW goes on as before
  CHECK_THAT(of(OptimizerKind::eps, gain)[0], WithinAbs(1 / eta, 1e-14));
  auto wrong = now;
  auto& bytes = wrong[optimizer_name(OptimizerKind::m, name)].bytes;
  const double one = 1;
  std::memcpy(bytes.data() + 35 * sizeof one, &one, sizeof one);
  const auto tampered = modelgrow::detail::views_of(wrong);
  CHECK(says(message_of<check_error>([&] { check_optimizer(p, TensorSet(before, "old"), TensorSet(tampered, "new")); }),
             name, "does not add up"));
}

TEST_CASE("The file check sees every part of silent units", "[zero_channels]") {
  const Schema s = minimax::schema();
  const auto w = tiny::random_state(s);
  const Plan p = plan(s, ZeroChannels{.to = 44}, Net2Wider{.space = "hidden", .to = 88});
  const auto broken = [&](const std::string& name, std::size_t i) {
    return says(complaint(p, w, [&](State<double>& now) { now.at(name)[i] += 0.25; }), "'" + name + "'");
  };
  CHECK(broken("proj_in.bias", 80));                                          // a writer of a new channel
  CHECK(broken("norm_out.norm.weight", 3));                                   // a gain
  CHECK(broken("transformer_blocks.1.attn.to_q.weight", 5 * 88 + 79));        // a reader of a new channel
  CHECK(broken("transformer_blocks.1.adaln_proj.linear.bias", 80));           // what is added behind a norm
  CHECK(broken("transformer_blocks.1.adaln_proj.linear.bias", 2 * 88 + 80));  // a gate
}

TEST_CASE("What feels channels of zeros is refused", "[zero_channels]") {
  const Schema s = minimax::schema();
  const auto refusal = [](const Schema& from, const auto&... ops) {
    return message_of<plan_error>([&] { plan(from, ops...); });
  };
  CHECK(says(refusal(s, ZeroChannels{.to = 30}), "has 30 channels; 30 would not widen it"));
  CHECK(says(refusal(s, ZeroChannels{.space = "ffn", .to = 30}), "no stream that only RMSNorms run over", "Net2Wider"));
  CHECK(says(refusal(s, ZeroChannels{.space = "depth", .to = 30}), "no space named 'depth'"));
  Schema mean = s;
  for (auto& x : mean.spaces)
    if (x.space.name == "hidden") x.rules.rms_only = false, x.rules.because = "LayerNorm runs over it";
  CHECK(says(refusal(mean, ZeroChannels{.to = 44}), "(LayerNorm runs over it)", "would change the function"));
  const Plan felt = plan(mean, allow_approximate, ZeroChannels{.to = 44});
  CHECK(says(to_string(felt.certificate()), "APPROXIMATE", "are felt, because LayerNorm runs over it"));
  Schema grafted = s;
  grafted.grafts.push_back(GraftRecord{.name = "TemporalConv", .tensors = {{"x", "each hidden"}}});
  CHECK(says(refusal(grafted, ZeroChannels{.to = 44}), "the graft 'TemporalConv' takes the mean"));
  // Without config.json nobody knows the epsilons.
  Schema bare = s;
  bare.epsilons.clear();
  CHECK(says(refusal(bare, ZeroChannels{.to = 44}), "only if the epsilon of the norms over 'hidden' becomes 30/44",
             "accept_conditions"));
  CHECK(plan(bare, accept_conditions, ZeroChannels{.to = 44}).certificate().exactness == Exactness::exact_if);
  // Maps that are none.
  const auto said = [&](const auto& change, double noise = 0) {
    SpaceMap m{.space = "ffn", .old_size = 22, .from = {}, .split = {}};
    for (std::int64_t j = 0; j < 24; ++j) modelgrow::detail::put_unit(m, j % 22, j >= 22);
    std::vector<SpaceMap> maps{m};
    change(maps);
    return message_of<plan_error>([&] { Plan(s).remap(maps, Noise{.db = noise}); });
  };
  CHECK(said([](auto&) {}) == "");
  CHECK(says(said([](auto&) {}, 20), "nothing to add noise to"));
  CHECK(says(said([](auto& m) { m[0].silent.pop_back(); }), "24 splits and 23 flags of silence"));
  CHECK(says(said([](auto& m) { m[0].from[23] = 22; }), "unit 23 is as unit 22 of 22"));
  CHECK(says(said([](auto& m) { m[0].split[0] = 0.5; }), "each is whole"));
  CHECK(says(said([](auto& m) { m[0].silent[22] = false; }), "unit 0 is there 2 times"));
  CHECK(says(said([](auto& m) {
               m.push_back(SpaceMap{.space = "time_dim", .old_size = 16, .from = {}, .split = {}});
               for (std::int64_t j = 0; j < 16; ++j) m[1].from.push_back(j), m[1].split.push_back(1);
             }),
             "silent units in one space and copies in another"));
}
