// SPDX-License-Identifier: MIT
// Model, optimizer and averages grow between two steps on the emulated GPU: the next launch takes the new tensors.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/grow/live.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/train/trainer.hpp>

#include "tests/cuda_on_host/support/emulated.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/growing_net.hpp"
#include "tests/train/tiny_model.hpp"

using namespace modelgrow;

namespace {

struct Run {
  std::vector<double> losses, average;
};

/// Twelve steps, in the middle of which 5 units become 13, in different numbers of copies.
template <Device D>
Run grown_run() {
  using Net = testing::GrowingNet<double, D>;
  Net net(5);
  Trainer<Net, double, D> trainer(net, {.steps = 12,
                                        .schedule = {.peak = 0.02},
                                        .adamw = {.eps = 1e-3, .weight_decay = 0.1, .clip_norm = 5.0},
                                        .ema = EmaOptions{}});
  Run run;
  trainer.at(6, [&](const StepReport&) {
    const auto plan = modelgrow::plan(net, Net2Wider{.space = "ffn", .to = 13});
    grow(plan, net, trainer.optimizer(), *trainer.ema());
  });
  trainer.every(1, [&](const StepReport& r) { run.losses.push_back(r.loss); });
  trainer.run([&](auto& tape, std::int64_t i) { return tiny::loss(net, tape, i); });
  CHECK(trainer.optimizer().states().at("down").lr().size() == 13);
  const auto average = to_cpu(trainer.ema()->averages().at("up"));
  run.average.assign(average.data(), average.data() + average.size());
  return run;
}

}  // namespace

TEST_CASE("a model that grows between two steps goes on, on the emulated GPU as on the CPU") {
  const Run found = grown_run<Emulated>(), expected = grown_run<Cpu>();
  REQUIRE(expected.losses.size() == 12);
  CHECK(expected.losses.back() < expected.losses.front());
  for (std::size_t i = 0; i < 12; ++i) CHECK_THAT(found.losses[i], WithinRel(expected.losses[i], 1e-12));
  REQUIRE(found.average.size() == 13 * 6);
  for (std::size_t i = 0; i < found.average.size(); ++i)
    CHECK_THAT(found.average[i], WithinAbs(expected.average[i], 1e-12));
}
