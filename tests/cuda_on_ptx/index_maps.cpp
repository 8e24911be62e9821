// SPDX-License-Identifier: MIT
// What nvcc makes of index arithmetic where batch entries lie more than 2^31 values apart.
#include <vector>

#include "tests/cuda_on_host/support/interpreted.hpp"
#include "tests/cuda_on_host/support/sparse.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;

namespace {

constexpr std::int64_t entries = 2, tokens = 5;

/// A tensor of two batch entries `stride` values apart, between which there is nothing.
class Entries {
 public:
  Entries(std::int64_t width, std::int64_t stride, int stream)
      : entry_(tokens * width), stride_(stride), memory_(stride + entry_) {
    for (std::int64_t b = 0; b < entries; ++b) {
      Interpreted::memory().lend(at(b), std::size_t(entry_) * sizeof(bf16));
      for (std::int64_t i = 0; i < entry_; ++i)
        at(b)[i] = bf16(float(((b * entry_ + i) * 7919 + stream * 31) % 17 - 8) / 8);
    }
  }
  ~Entries() {
    for (std::int64_t b = 0; b < entries; ++b) Interpreted::memory().take_back(at(b));
  }
  bf16* data() const { return memory_.data(); }
  std::vector<float> values() const {
    std::vector<float> all;
    for (std::int64_t b = 0; b < entries; ++b)
      for (std::int64_t i = 0; i < entry_; ++i) all.push_back(float(at(b)[i]));
    return all;
  }

 private:
  bf16* at(std::int64_t b) const { return memory_.data() + b * stride_; }
  std::int64_t entry_, stride_;
  emulator::Sparse<bf16> memory_;
};

/// out, dq, dk and dv.
std::vector<std::vector<float>> attention(std::int64_t width, std::int64_t stride) {
  const AttentionSize::Strides strides{.batch = stride, .group = 0, .token = width};
  const AttentionSize s{.batch = entries,
                        .groups = 1,
                        .queries = tokens,
                        .keys = tokens,
                        .heads = 1,
                        .head_dim = width,
                        .q = strides,
                        .kv = strides,
                        .out = strides};
  const auto tensor = [&](int stream) { return Entries(width, stride, stream); };
  const Entries q = tensor(1), k = tensor(2), v = tensor(3), out = tensor(4), dout = tensor(5), dq = tensor(6),
                dk = tensor(7), dv = tensor(8);
  const Tensor<float, Interpreted> lse({entries * tokens});
  using B = Backend<Interpreted>;
  B::attention<bf16>(s, nullptr, q.data(), k.data(), v.data(), out.data(), lse.data());
  B::attention_dx<bf16>(s, nullptr, q.data(), k.data(), v.data(), out.data(), lse.data(), dout.data(), dq.data(),
                        dk.data(), dv.data());
  return {out.values(), dq.values(), dk.values(), dv.values()};
}

/// dx, and the parts of dw and db, of clips of one frame.
std::vector<std::vector<float>> depthwise_conv(std::int64_t stride) {
  constexpr std::int64_t width = 8;
  const kernels::ColumnSize size{
      .clips = entries, .space = tokens, .frames = 1, .frame = int(stride / 8), .channels = 1, .first_tap = -1};
  const Entries dy(width, stride, 1), x(width, stride, 2), dx(width, stride, 3);
  const auto w = to_device<Interpreted>(Tensor<bf16, Cpu>::from({24}, std::vector<bf16>(24, bf16(0.5f))));
  const Tensor<float, Interpreted> partial({32});
  kernels::PtxExecutor::launch(kernels::SlidingConvDx<bf16, 3>{.size = size,
                                                               .parts = kernels::ConvParts::of(size),
                                                               .dy = dy.data(),
                                                               .x = x.data(),
                                                               .w = w.data(),
                                                               .dx = dx.data(),
                                                               .partial = partial.data()});
  return {dx.values(), {partial.data(), partial.data() + 32}};
}

/// y of a clip of two frames that lie `stride` values apart, from the second of them.
std::vector<float> dense_conv(std::int64_t stride) {
  constexpr std::int64_t width = 8;
  const Entries x(width, stride, 1), y(width, stride, 2);
  const auto w = to_device<Interpreted>(Tensor<bf16, Cpu>::from({64}, std::vector<bf16>(64, bf16(0.5f))));
  kernels::PtxExecutor::launch(kernels::DenseConvMma<kernels::ConvDirection::forward>{.tokens = tokens,
                                                                                      .space = stride / width,
                                                                                      .frames = 2,
                                                                                      .taps = 1,
                                                                                      .first_tap = 1,
                                                                                      .inner = int(width),
                                                                                      .columns = int(width),
                                                                                      .x = x.data(),
                                                                                      .w = w.data(),
                                                                                      .b = nullptr,
                                                                                      .y = y.data()});
  return y.values();
}

}  // namespace

TEST_CASE("dense convolution in PTX reaches frames that are more than 2^31 values away") {
  CHECK(dense_conv((std::int64_t{1} << 31) + 64) == dense_conv(tokens * 8));
}

TEST_CASE("gradients of depthwise convolution in PTX reach clips that are more than 2^31 values away") {
  CHECK(depthwise_conv((std::int64_t{1} << 31) + 64) == depthwise_conv(tokens * 8));
}

TEST_CASE("attention in PTX reaches batch entries that are more than 2^31 values away") {
  for (const std::int64_t width : {8, 64})
    CHECK(attention(width, (std::int64_t{1} << 31) + 64) == attention(width, tokens * width));
}
