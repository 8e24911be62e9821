// SPDX-License-Identifier: MIT
// A model trained by GPUs that talk by NCCL goes as one trained by processes that talk by MPI, on streams that do
// nothing before they must; with ordered sums its bits do not depend on how many GPUs there are.
#include <modelgrow/dist/nccl.cuh>
#include <modelgrow/dist/single.hpp>
#include <modelgrow/train/distributed.hpp>

#include "tests/dist/support/ranks.hpp"
#include "tests/nccl_on_host/support/backend.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/same_bits.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
using mg::testing::ranks;
using mg::testing::same_bits;
using State = mg::DistributedOptions::State;

namespace {

/// Losses and weights of a run of three micro-batches a step.
template <class T>
struct Run {
  std::vector<double> losses;
  std::vector<mg::Tensor<T, mg::Cpu>> weights;
};
template <class D, class T = float, class C>
Run<T> run(C& group, const mg::DistributedOptions& options) {
  tiny::Pair<T, D> model;
  mg::Trainer<tiny::Pair<T, D>, T, D> trainer(model, {.steps = 3,
                                                      .micro_batches = 3,
                                                      .schedule = {.peak = 1e-3},
                                                      .adamw = {.clip_norm = 1.0},
                                                      .ema = mg::EmaOptions{}});
  mg::distribute(trainer, group, options);
  Run<T> r;
  trainer.every(1, [&](const mg::StepReport& report) { r.losses.push_back(report.loss); });
  trainer.run([&](auto& tape, std::int64_t i) { return tiny::loss(model, tape, i); });
  mg::for_each_parameter(model, [&](const std::string&, const auto& p) { r.weights.push_back(mg::to_cpu(p.value)); });
  return r;
}

}  // namespace

TEST_CASE("GPUs train as processes do") {
  mg::Nccl gpus(ranks());
  for (const mg::Sums sums : {mg::Sums::fast, mg::Sums::ordered})
    for (const State state : {State::whole, State::sharded}) {
      const mg::DistributedOptions options{.state = state, .sums = sums};
      const Run<float> by_nccl = run<mg::Cuda>(gpus, options), by_mpi = run<mg::Cpu>(ranks(), options);
      REQUIRE(by_nccl.losses.size() == 3);
      for (std::size_t i = 0; i < 3; ++i) CHECK_THAT(by_nccl.losses[i], WithinRel(by_mpi.losses[i], 1e-5));
      for (std::size_t t = 0; t < by_mpi.weights.size(); ++t)
        for (std::int64_t i = 0; i < by_mpi.weights[t].size(); ++i)
          CHECK(std::abs(by_nccl.weights[t].data()[i] - by_mpi.weights[t].data()[i]) < 1e-5f);
    }
}

TEST_CASE("with ordered sums the bits of GPUs are those of one") {
  mg::Nccl gpus(ranks());
  mg::Single one;
  const mg::DistributedOptions ordered{.sums = mg::Sums::ordered};
  const Run<float> together = run<mg::Cuda>(gpus, ordered), alone = run<mg::Cuda>(one, ordered);
  CHECK(together.losses == alone.losses);
  CHECK(same_bits(together.weights, alone.weights));
}

TEST_CASE("GPUs that keep parts of the state step the same weights of 16 bits") {
  mg::Nccl gpus(ranks());
  const auto weights_of = [&](State state) {
    return run<mg::Cuda, mg::bf16>(gpus, {.state = state, .sums = mg::Sums::ordered}).weights;
  };
  CHECK(same_bits(weights_of(State::sharded), weights_of(State::whole)));
}
