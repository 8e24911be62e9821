// SPDX-License-Identifier: MIT
// One whole training step (forward, backward, AdamW) of STDiT and its text encoder, as benchmarks/peers/bench_step.py
// times it in PyTorch: bench_train_step [HIDDENxDEPTHxHEADSxBATCH [STEPS [WARMUP]]] prints one line of JSON.
#include <omp.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/train/adamw.hpp>
#include <modelgrow/train/flops.hpp>

#include "benchmarks/step_model.hpp"

namespace mg = modelgrow;
using step::loss;
using step::Size;

namespace {

double step_flops(const Size& s) {
  using Counter = mg::FlopCounter;
  mg::TextToVideo<float, Counter> model(s.video(), {});
  return mg::training_flops<float>([&](mg::Tape<float, Counter>& tape) {
    const mg::Tensor<float, Counter> clips({s.batch, 3, 8, 32, 32}), time({s.batch});
    return loss<Counter>(tape, model, {clips, clips, time});
  });
}

mg::detail::json measure(const Size& s, int steps, int warmup) {
  mg::TextToVideo<float, mg::Cpu> model(s.video(), {});
  mg::initialise(model, 1);
  mg::AdamW<float, mg::Cpu> optimizer(model, {});
  mg::Tape<float, mg::Cpu> tape;
  const mg::FlowMatching flow{.seed = 1};
  const auto clips = mg::Tensor<float, mg::Cpu>::zeros({s.batch, 3, 8, 32, 32});
  std::vector<double> seconds;
  for (int i = 0; i < warmup + steps; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    tape.backward(loss<mg::Cpu>(tape, model, mg::training_batch<float>(flow, clips, std::uint64_t(i * s.batch))));
    optimizer.step(model, 1e-4);
    if (i >= warmup) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::ranges::sort(seconds);
  const double median = seconds[seconds.size() / 2], gflop = step_flops(s) * 1e-9;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return {{"size", s.name()},
          {"parameters", mg::count_parameters(model)},
          {"median_s", median},
          {"fastest_s", seconds.front()},
          {"slowest_s", seconds.back()},
          {"gflop_per_step", gflop},
          {"gflops", gflop / median},
          {"peak_rss_mb", double(usage.ru_maxrss) / 1024},
          {"steps", steps},
          {"threads", omp_get_max_threads()}};
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Size s = argc > 1 ? Size::of(argv[1]) : Size{};
    const int steps = argc > 2 ? std::stoi(argv[2]) : 20, warmup = argc > 3 ? std::stoi(argv[3]) : 3;
    std::cout << measure(s, std::max(1, steps), warmup).dump() << std::endl;
  } catch (const mg::option_error& e) {
    std::cerr << "bench_train_step: " << e.what() << std::endl;
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "bench_train_step: " << e.what() << std::endl;
    return 1;
  }
}
