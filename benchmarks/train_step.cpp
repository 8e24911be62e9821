// SPDX-License-Identifier: MIT
// One whole training step (forward, backward, AdamW) of STDiT and its text encoder, as benchmarks/peers/bench_step.py
// times it in PyTorch: bench_train_step [HIDDENxDEPTHxHEADSxBATCH [STEPS [WARMUP]]] prints one line of JSON.
#include <omp.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/diffusion/flow_matching.hpp>
#include <modelgrow/models/stdit_config.hpp>
#include <modelgrow/models/text_to_video.hpp>
#include <modelgrow/ops/mse.hpp>
#include <modelgrow/train/adamw.hpp>
#include <modelgrow/train/flops.hpp>

namespace mg = modelgrow;

namespace {

constexpr std::int64_t caption_bytes = 22;  // 24 tokens with their begin and end marks

struct Size {
  long hidden = 96, depth = 3, heads = 3, batch = 8;
  std::string name() const {
    return std::to_string(hidden) + "x" + std::to_string(depth) + "x" + std::to_string(heads) + "x" +
           std::to_string(batch);
  }
  mg::StditConfig video() const {
    return {.input_size = {8, 32, 32},
            .in_channels = 3,
            .patch_size = {1, 4, 4},
            .hidden_size = hidden,
            .depth = depth,
            .num_heads = heads,
            .pred_sigma = false,
            .caption_channels = mg::ByteEncoderConfig{}.width,
            .model_max_length = mg::ByteEncoderConfig{}.max_length};
  }
};

template <class D>
mg::Var<float, D> loss(mg::Tape<float, D>& tape, mg::TextToVideo<float, D>& model, const mg::FlowBatch<float, D>& b) {
  const std::vector<std::string> captions(std::size_t(b.noisy.dim(0)), std::string(caption_bytes, 'x'));
  const auto text = model.text_encoder->encode(tape, captions);
  return mg::mse(tape, model.transformer.forward(tape, tape.constant(b.noisy), b.time, text), b.target);
}

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
  Size s;
  if (argc > 1 &&
      (std::sscanf(argv[1], "%ldx%ldx%ldx%ld", &s.hidden, &s.depth, &s.heads, &s.batch) != 4 || s.batch < 1)) {
    std::cerr << "bench_train_step: '" << argv[1] << "' is no size; expected HIDDENxDEPTHxHEADSxBATCH, such as "
              << Size{}.name() << std::endl;
    return 2;
  }
  try {
    const int steps = argc > 2 ? std::stoi(argv[2]) : 20, warmup = argc > 3 ? std::stoi(argv[3]) : 3;
    std::cout << measure(s, std::max(1, steps), warmup).dump() << std::endl;
  } catch (const std::exception& e) {
    std::cerr << "bench_train_step: " << e.what() << std::endl;
    return 1;
  }
}
