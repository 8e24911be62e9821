// SPDX-License-Identifier: MIT
// Ranks that train one model together do what one rank does with all of their micro-batches, to the last bit where sums
// are ordered, whatever their number is and whoever keeps the state.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/dist/single.hpp>
#include <modelgrow/train/distributed.hpp>

#include "tests/dist/support/ranks.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/same_bits.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
using mg::testing::message_of;
using mg::testing::ranks;
using mg::testing::same_bits;
using mg::testing::says;
using Model = tiny::Pair<float, mg::Cpu>;
using Trainer = mg::Trainer<Model, float, mg::Cpu>;
using State = mg::DistributedOptions::State;
using Floats = mg::Tensor<float, mg::Cpu>;

namespace {

mg::TrainerOptions some_options(std::int64_t micro_batches) {
  return {.steps = 20,
          .micro_batches = micro_batches,
          .schedule = {.kind = mg::Schedule::Kind::cosine, .peak = 0.01, .warmup = 3, .total = 20},
          .adamw = {.clip_norm = 1.0, .groups = {{.pattern = "first.*", .lr = 0.5, .decay = 2.0}}},
          .ema = mg::EmaOptions{},
          .seed = 3};
}

/// What a run leaves.
struct Run {
  std::vector<double> losses, norms;
  std::vector<Floats> weights, averages, moments;
};

template <class Set>
Run run(std::int64_t micro_batches, Set set) {
  Model model;
  mg::for_each_parameter(model,
                         [](const std::string&, auto& p) {  // losses near 1: those of 100 multiply what is rounded
                           for (float& w : p.value.span()) w *= 0.3f;
                         });
  Trainer trainer(model, some_options(micro_batches));
  set(trainer, model);
  Run r;
  trainer.every(1, [&](const mg::StepReport& report) {
    r.losses.push_back(report.loss);
    r.norms.push_back(report.gradient_norm);
  });
  trainer.run([&](auto& tape, std::int64_t i) { return tiny::loss(model, tape, i); });
  const auto optimizer = trainer.whole_optimizer();
  const auto ema = trainer.whole_ema();
  mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
    r.weights.push_back(p.value);
    r.averages.push_back(ema->averages().at(path));
    const auto state = optimizer.states().find(path);
    if (state == optimizer.states().end()) return;
    r.moments.push_back(state->second.m);
    r.moments.push_back(state->second.v);
  });
  return r;
}

double largest_difference(const std::vector<Floats>& a, const std::vector<Floats>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t t = 0; t < a.size(); ++t) {
    REQUIRE(a[t].shape() == b[t].shape());
    for (std::int64_t i = 0; i < a[t].size(); ++i)
      largest = std::max(largest, double(std::abs(a[t].data()[i] - b[t].data()[i])));
  }
  return largest;
}

void require_near(const Run& a, const Run& b) {
  REQUIRE(a.losses.size() == 20);
  REQUIRE(b.losses.size() == 20);
  for (std::size_t i = 0; i < 20; ++i) {
    CHECK_THAT(a.losses[i], WithinRel(b.losses[i], 1e-6));
    CHECK_THAT(a.norms[i], WithinRel(b.norms[i], 1e-5));
  }
  CHECK(largest_difference(a.weights, b.weights) < 1e-6);
  CHECK(largest_difference(a.averages, b.averages) < 1e-6);
  CHECK(largest_difference(a.moments, b.moments) < 1e-6);
}
void require_same(const Run& a, const Run& b) {
  CHECK(a.losses == b.losses);
  CHECK(a.norms == b.norms);
  CHECK(same_bits(a.weights, b.weights));
  CHECK(same_bits(a.averages, b.averages));
  CHECK(same_bits(a.moments, b.moments));
}

}  // namespace

TEST_CASE("all ranks together do what one does with all of their micro-batches") {
  for (const std::int64_t micro_batches : {1, 2, 3, 4, 7}) {
    const Run alone = run(micro_batches, [](auto&, auto&) {});
    for (const State state : {State::whole, State::sharded})
      require_near(run(micro_batches, [&](Trainer& t, Model&) { mg::distribute(t, ranks(), {.state = state}); }),
                   alone);
  }
}

TEST_CASE("with ordered sums the bits are those of one rank") {
  mg::Single one;
  for (const std::int64_t micro_batches : {1, 2, 3, 4, 7}) {
    const mg::DistributedOptions ordered{.sums = mg::Sums::ordered};
    const Run alone = run(micro_batches, [&](Trainer& t, Model&) { mg::distribute(t, one, ordered); });
    for (const State state : {State::whole, State::sharded})
      require_same(
          run(micro_batches,
              [&](Trainer& t, Model&) { mg::distribute(t, ranks(), {.state = state, .sums = mg::Sums::ordered}); }),
          alone);
    require_near(alone, run(micro_batches, [](auto&, auto&) {}));
  }
}
