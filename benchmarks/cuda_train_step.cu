// SPDX-License-Identifier: MIT
// One whole training step (forward, backward, AdamW) of STDiT on a GPU, in float or bf16:
// bench_cuda_train_step [float|bf16] [HIDDENxDEPTHxHEADSxBATCH [STEPS]] prints one line of JSON. Clips are latents of
// 16 frames of 32 x 32 (512 pixels a side), cut into 2 x 2 patches; the default is STDiT-XL/2.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>

#include <modelgrow/cuda.cuh>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/diffusion/flow_matching.hpp>
#include <modelgrow/models/stdit.hpp>
#include <modelgrow/ops/mse.hpp>
#include <modelgrow/train/adamw.hpp>

namespace mg = modelgrow;

namespace {

struct Size {
  long hidden = 1152, depth = 28, heads = 16, batch = 1;
};

template <class T>
mg::detail::json measure(const Size& s, int steps) {
  const mg::StditConfig config{.hidden_size = s.hidden, .depth = s.depth, .num_heads = s.heads, .pred_sigma = false};
  mg::Stdit<T, mg::Cuda> model(config);
  mg::initialise(model, 1);
  model.activations = mg::Activations::recompute;
  mg::AdamW<T, mg::Cuda> optimizer(model, {});
  mg::Tape<T, mg::Cuda> tape;
  const auto clips = mg::Tensor<float, mg::Cpu>::zeros({s.batch, config.in_channels, 16, 32, 32});
  const auto states = mg::Tensor<T, mg::Cuda>::zeros({s.batch, config.model_max_length, config.caption_channels});
  const auto batch = mg::training_batch<T, mg::Cuda>(mg::FlowMatching{.seed = 1}, clips, 0);
  constexpr int warmup = 3;
  std::vector<double> seconds;
  for (int i = 0; i < warmup + steps; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const mg::TextStates<T, mg::Cuda> text{tape.constant(states), {}, {}};
    tape.backward(mg::mse(tape, model.forward(tape, tape.constant(batch.noisy), batch.time, text), batch.target));
    optimizer.step(model, 1e-4);
    mg::CudaContext::current().synchronize();
    if (i >= warmup) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(seconds.begin(), seconds.end());
  std::size_t free = 0, total = 0;
  mg::kernels::check(cudaMemGetInfo(&free, &total), "reading the free memory");
  return {{"type", mg::name(mg::dtype_of<T>)},
          {"hidden", s.hidden},
          {"depth", s.depth},
          {"heads", s.heads},
          {"batch", s.batch},
          {"parameters", mg::count_parameters(model)},
          {"median_s", seconds[seconds.size() / 2]},
          {"fastest_s", seconds.front()},
          {"slowest_s", seconds.back()},
          {"activations_mb", double(tape.pool().held()) / 1048576},
          {"used_mb", double(total - free) / 1048576},
          {"steps", steps}};
}

}  // namespace

int main(int argc, char** argv) {
  Size s;
  const std::string type = argc > 1 ? argv[1] : "bf16";
  const bool known = type == "float" || type == "bf16";
  if (!known || (argc > 2 && std::sscanf(argv[2], "%ldx%ldx%ldx%ld", &s.hidden, &s.depth, &s.heads, &s.batch) != 4)) {
    std::cerr << "usage: bench_cuda_train_step [float|bf16] [HIDDENxDEPTHxHEADSxBATCH [STEPS]]" << std::endl;
    return 2;
  }
  try {
    const int steps = std::max(1, argc > 3 ? std::stoi(argv[3]) : 10);
    std::cout << (type == "float" ? measure<float>(s, steps) : measure<mg::bf16>(s, steps)).dump() << std::endl;
  } catch (const std::exception& e) {
    std::cerr << "bench_cuda_train_step: " << e.what() << std::endl;
    return 1;
  }
}
