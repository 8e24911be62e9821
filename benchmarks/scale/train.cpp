// SPDX-License-Identifier: MIT
// The training step of benchmarks/train_step.cpp on all ranks that mpirun started, or on one process: bench_scale_train
// [HIDDENxDEPTHxHEADSxBATCH [STEPS [WARMUP [whole|sharded]]]] prints one line of JSON. Ranks share the batch.
#include <omp.h>

#include <algorithm>
#include <iostream>
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/dist/mpi.hpp>
#include <modelgrow/train/distributed.hpp>
#include <modelgrow/train/trainer.hpp>

#include "benchmarks/step_model.hpp"

namespace mg = modelgrow;

namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

mg::detail::json measure(mg::Mpi& ranks, const step::Size& s, std::int64_t steps, std::int64_t warmup,
                         mg::DistributedOptions::State state) {
  using Model = mg::TextToVideo<float, mg::Cpu>;
  const std::int64_t n = ranks.size(), batch = s.batch / n;
  if (batch * n != s.batch)
    throw mg::option_error("a batch of " + std::to_string(s.batch) + " is not shared by " + std::to_string(n) +
                           " ranks");
  Model model(s.video(), {});
  mg::initialise(model, 1);
  mg::Trainer<Model, float, mg::Cpu> trainer(model,
                                             {.steps = warmup + steps, .micro_batches = n, .schedule = {.peak = 1e-4}});
  if (n > 1) mg::distribute(trainer, ranks, {.state = state});
  std::vector<double> seconds, waited, least;  // of steps; waited: the mean of all ranks, and the least
  trainer.every(1, [&](const mg::StepReport& r) {
    if (r.step <= warmup) return;
    seconds.push_back(r.seconds);
    std::vector<double> of_ranks(static_cast<std::size_t>(n), 0.0);
    of_ranks[std::size_t(ranks.rank())] = r.waited;
    mg::sum_over<mg::Cpu>(ranks, of_ranks);
    double sum = 0;
    for (const double w : of_ranks) sum += w;
    waited.push_back(sum / double(n));
    least.push_back(*std::ranges::min_element(of_ranks));
  });
  const mg::FlowMatching flow{.seed = 1};
  const auto clips = mg::Tensor<float, mg::Cpu>::zeros({batch, 3, 8, 32, 32});
  trainer.run([&](auto& tape, std::int64_t i) {
    return step::loss<mg::Cpu>(tape, model, mg::training_batch<float>(flow, clips, std::uint64_t(i * batch)));
  });
  return {{"size", s.name()},
          {"parameters", mg::count_parameters(model)},
          {"ranks", n},
          {"threads", omp_get_max_threads()},
          {"steps", steps},
          {"median_s", median(seconds)},
          {"fastest_s", *std::ranges::min_element(seconds)},
          {"slowest_s", *std::ranges::max_element(seconds)},
          {"waited_s", median(waited)},
          {"least_waited_s", median(least)}};
}

}  // namespace

int main(int argc, char** argv) {
  mg::Mpi ranks;
  try {
    const step::Size s = argc > 1 ? step::Size::of(argv[1]) : step::Size{};
    const int steps = argc > 2 ? std::stoi(argv[2]) : 20, warmup = argc > 3 ? std::stoi(argv[3]) : 3;
    const std::string state = argc > 4 ? argv[4] : "whole";
    if (state != "whole" && state != "sharded") throw mg::option_error("'" + state + "' is neither whole nor sharded");
    using State = mg::DistributedOptions::State;
    const auto found = measure(ranks, s, std::max(1, steps), warmup, state == "whole" ? State::whole : State::sharded);
    if (ranks.rank() == 0) std::cout << found.dump() << std::endl;
  } catch (const std::exception& e) {
    if (ranks.size() > 1) ranks.abort(e.what());
    std::cerr << "bench_scale_train: " << e.what() << std::endl;
    return 1;
  }
}
