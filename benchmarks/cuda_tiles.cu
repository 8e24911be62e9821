// SPDX-License-Identifier: MIT
// Programs of CUDA Tile C++ beside the kernels on matrix units, by turns: bench_cuda_tiles [ROUNDS] prints one line of
// JSON for the device and one for each operation in bf16, first those of the device (see cuda_kernels.cu). Sizes are
// those of 256 heads over frames of 256, 1024 and 4096 tokens, and of STDiT-XL/2's convolution.
#include <modelgrow/backend/cuda_tiles.cuh>

#include <iostream>
#include <list>
#include <string>
#include <vector>

#include "cuda_timing.cuh"

using namespace modelgrow;
using benchmark::Case;
using benchmark::values;
using B = Backend<Cuda>;
using Tiles = kernels::TileKernels<kernels::GpuExecutor>;

namespace {

/// Both ways of doing something.
void add(std::vector<Case>& cases, const Tiles& tiles, const std::string& what, double bytes, double flops,
         const std::function<void()>& run) {
  for (const bool on_tiles : {false, true})
    cases.push_back({what + (on_tiles ? ", tiles" : ", matrix units"), bytes, flops, [=] {
                       Tiles::in_use = on_tiles ? tiles : Tiles{};
                       run();
                     }});
}

struct Attention {
  std::int64_t tokens, width, heads = 16, frames = 16, n = frames * tokens * width;
  Tensor<bf16, Cuda> qkv = values<bf16>(3 * n), dout = values<bf16>(n), out{{n}}, dqkv{{3 * n}};
  Tensor<float, Cuda> lse{{frames * heads * tokens}};
  AttentionSize size() const {
    const AttentionSize::Strides packed{0, 3 * tokens * width, 3 * width}, plain{0, tokens * width, width};
    return {1, frames, tokens, tokens, heads, width / heads, packed, packed, plain};
  }
  void forward() {
    const bf16* q = qkv.data();
    B::attention<bf16>(size(), nullptr, q, q + width, q + 2 * width, out.data(), lse.data());
  }
  void backward() {
    const bf16* q = qkv.data();
    bf16* dq = dqkv.data();
    B::attention_dx<bf16>(size(), nullptr, q, q + width, q + 2 * width, out.data(), lse.data(), dout.data(), dq,
                          dq + width, dq + 2 * width);
  }
};

void run(int rounds) {
  if (!use_tile_kernels()) {
    std::cerr << "bench_cuda_tiles: left out: programs of tiles are for GPUs of compute capability 9 and 10"
              << std::endl;
    return;
  }
  const Tiles tiles = Tiles::in_use;
  const std::int64_t side = 8192;
  const auto large = values<bf16>(side * side);
  Tensor<bf16, Cuda> result({side * side});
  std::vector<Case> cases;
  cases.push_back(
      {"copy", 2.0 * double(large.bytes()), 0, [&] { Cuda::copy(result.data(), large.data(), large.bytes()); }});
  cases.push_back({"product of 8192 x 8192 matrices", 0, 2.0 * double(side) * double(side) * double(side), [&] {
                     B::linear<bf16>({.rows = side, .in = side, .out = side}, large.data(), large.data(), nullptr,
                                     result.data());
                   }});
  std::list<Attention> attentions;
  for (const std::int64_t head : {64, 72, 128})
    for (const std::int64_t tokens : {256, 1024, 4096}) {
      Attention& attention = attentions.emplace_back(Attention{.tokens = tokens, .width = 16 * head});
      const std::string what =
          "attention of " + std::to_string(tokens) + " tokens, " + std::to_string(head) + " channels";
      const double bytes = double(attention.out.bytes()), flops = 4.0 * double(attention.n) * double(tokens);
      add(cases, tiles, what, 4 * bytes, flops, [&] { attention.forward(); });
      add(cases, tiles, what + ", backward", 8 * bytes, 2.5 * flops, [&] { attention.backward(); });
    }
  const TemporalConvSize conv{1, 16, 1024, 1152, 1152, 3, -2, TemporalConvSize::Kind::dense};
  const std::int64_t n = conv.frames * conv.space * conv.channels_in;
  const auto x = values<bf16>(n), w = values<bf16>(conv.channels_in * conv.channels_out * conv.kernel);
  Tensor<bf16, Cuda> y({n});
  add(cases, tiles, "dense temporal_conv", 4.0 * double(n), 6.0 * double(n) * double(conv.channels_in),
      [&] { B::temporal_conv<bf16>(conv, x.data(), w.data(), nullptr, y.data()); });
  benchmark::measure(cases, rounds);
  benchmark::report(cases, "bf16");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int rounds = argc > 1 ? std::stoi(argv[1]) : 11;
    if (rounds < 1) throw std::invalid_argument("ROUNDS must be 1 or more, found " + std::to_string(rounds));
    std::cout << benchmark::about().dump() << std::endl;
    run(rounds);
  } catch (const std::exception& e) {
    std::cerr << "bench_cuda_tiles: " << e.what() << std::endl;
    return 1;
  }
}
