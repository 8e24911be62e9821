// SPDX-License-Identifier: MIT
// One whole training step (forward, backward, AdamW) of STDiT on a GPU, in float or bf16:
// bench_cuda_train_step [float|bf16] [HIDDENxDEPTHxHEADSxBATCH[xSIDE] [STEPS]] prints one line of JSON. Clips are
// latents of 16 frames of SIDE x SIDE, an eighth of the pixels a side, cut into 2 x 2 patches; the default is
// STDiT-XL/2 at 256 pixels a side, 32 x 32 latents. Activations are computed again in the backward pass; the flops do
// not count that.
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
#include <modelgrow/train/flops.hpp>

namespace mg = modelgrow;

namespace {

struct Size {
  long hidden = 1152, depth = 28, heads = 16, batch = 1, side = 32;
  mg::StditConfig config() const {
    return {
        .input_size = {16, side, side}, .hidden_size = hidden, .depth = depth, .num_heads = heads, .pred_sigma = false};
  }
  mg::Shape clips() const { return {batch, config().in_channels, 16, side, side}; }
  mg::Shape states() const { return {batch, config().model_max_length, config().caption_channels}; }
};

template <class T, mg::Device D>
mg::Var<T, D> loss(mg::Tape<T, D>& tape, mg::Stdit<T, D>& model, const mg::FlowBatch<T, D>& batch,
                   const mg::Tensor<T, D>& states) {
  const mg::TextStates<T, D> text{tape.constant(states), {}, {}};
  return mg::mse(tape, model.forward(tape, tape.constant(batch.noisy), batch.time, text), batch.target);
}

double step_flops(const Size& s) {
  using Counter = mg::FlopCounter;
  mg::Stdit<float, Counter> model(s.config());
  return mg::training_flops<float>([&](mg::Tape<float, Counter>& tape) {
    const mg::Tensor<float, Counter> clips(s.clips()), time({s.batch}), states(s.states());
    return loss<float, Counter>(tape, model, {clips, clips, time}, states);
  });
}

/// Numbers spread between -scale and scale, quickly: drawing 760 million normal ones would take a minute.
template <class T>
mg::Tensor<T, mg::Cuda> spread(const mg::Shape& shape, float scale) {
  mg::Tensor<T, mg::Cpu> t(shape);
  mg::parallel_for(t.size(), 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      t.data()[i] = T(scale * (float((std::uint64_t(i) * 2654435761u >> 9) & 1023) / 512.f - 1.f));
  });
  return mg::to_device<mg::Cuda>(t);
}

template <class T>
mg::detail::json measure(const Size& s, int steps) {
  mg::Stdit<T, mg::Cuda> model(s.config());
  mg::for_each_parameter(model, [](const std::string&, auto& p) {
    const bool table = p.info.purpose == mg::Purpose::buffer && p.info.init == mg::Init::zeros();
    if (!table) p.value = spread<T>(p.value.shape(), 0.02f);
  });
  model.activations = mg::Activations::recompute;
  mg::AdamW<T, mg::Cuda> optimizer(model, {});
  mg::Tape<T, mg::Cuda> tape;
  const auto states = spread<T>(s.states(), 1.f);
  const auto clips = mg::Tensor<float, mg::Cpu>::zeros(s.clips());
  const auto batch = mg::training_batch<T, mg::Cuda>(mg::FlowMatching{.seed = 1}, clips, 0);
  constexpr int warmup = 3;
  std::vector<double> seconds;
  for (int i = 0; i < warmup + steps; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    tape.backward(loss<T, mg::Cuda>(tape, model, batch, states));
    optimizer.step(model, 1e-4);
    mg::CudaContext::current().synchronize();
    if (i >= warmup) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2], tflop = 1e-12 * step_flops(s);
  std::size_t free = 0, total = 0;
  mg::kernels::check(cudaMemGetInfo(&free, &total), "reading the free memory");
  return {{"type", mg::name(mg::dtype_of<T>)},
          {"hidden", s.hidden},
          {"depth", s.depth},
          {"heads", s.heads},
          {"batch", s.batch},
          {"side", s.side},
          {"parameters", mg::count_parameters(model)},
          {"median_s", median},
          {"fastest_s", seconds.front()},
          {"slowest_s", seconds.back()},
          {"tflop_per_step", tflop},
          {"tflop_per_s", tflop / median},
          {"activations_mb", double(tape.pool().held()) / 1048576},
          {"used_mb", double(total - free) / 1048576},
          {"steps", steps}};
}

}  // namespace

int main(int argc, char** argv) {
  Size s;
  const std::string type = argc > 1 ? argv[1] : "bf16";
  const bool known = type == "float" || type == "bf16";
  const int sizes =
      argc > 2 ? std::sscanf(argv[2], "%ldx%ldx%ldx%ldx%ld", &s.hidden, &s.depth, &s.heads, &s.batch, &s.side) : 4;
  if (!known || sizes < 4) {
    std::cerr << "usage: bench_cuda_train_step [float|bf16] [HIDDENxDEPTHxHEADSxBATCH[xSIDE] [STEPS]]" << std::endl;
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
