// SPDX-License-Identifier: MIT
// What the kernels for few tokens cost, as nvcc compiles them: instructions, and memory that is not registers.
#include "tests/cuda_on_host/support/interpreted.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;
using kernels::ForEachRow;
using kernels::TemporalAttention;
using kernels::TemporalAttentionDx;

namespace {

constexpr std::int64_t tokens = 16, positions = 3, heads = 4, dim = 72, width = heads * dim;
constexpr std::int64_t values = tokens * positions * width;
constexpr AttentionSize::Strides qkv_strides{.batch = 0, .group = 3 * width, .token = positions * 3 * width},
    out_strides{.batch = 0, .group = width, .token = positions * width};
constexpr AttentionSize size{.batch = 1,
                             .groups = positions,
                             .queries = tokens,
                             .keys = tokens,
                             .heads = heads,
                             .head_dim = dim,
                             .q = qkv_strides,
                             .kv = qkv_strides,
                             .out = out_strides};

template <class Row>
bool registers_only() {
  using Kernel = ForEachRow<Row, 128>;
  return std::is_empty_v<typename Kernel::Shared> &&
         Interpreted::module().kernel_of(typeid(Kernel).name()).local_bytes == 0;
}
template <int Dim, int Tiles>
void check_registers_only() {
  CHECK(registers_only<TemporalAttention<Dim, Tiles>>());
  CHECK(registers_only<TemporalAttentionDx<Dim, Tiles>>());
}

/// Executed by a warp for a problem, where f is one launch.
template <class F>
std::int64_t instructions(F&& f) {
  f();
  return Interpreted::machine().executed() / (kernels::warp_size * positions * heads);
}

}  // namespace

TEST_CASE("attention of few tokens needs no memory but registers") {
  check_registers_only<64, 1>();
  check_registers_only<64, 2>();
  check_registers_only<72, 1>();
  check_registers_only<72, 2>();
  check_registers_only<80, 1>();
  check_registers_only<96, 1>();
  check_registers_only<128, 1>();
}

TEST_CASE("attention of 16 tokens takes fewer instructions than loads take time") {
  const Tensor<bf16, Interpreted> qkv({3 * values}), out({values});
  const Tensor<float, Interpreted> lse({positions * heads * tokens});
  const bf16* q = qkv.data();
  using B = Backend<Interpreted>;
  const std::int64_t forward =
      instructions([&] { B::attention<bf16>(size, nullptr, q, q + width, q + 2 * width, out.data(), lse.data()); });
  const Tensor<bf16, Interpreted> dout({values}), dqkv({3 * values});
  bf16* dq = dqkv.data();
  const std::int64_t backward = instructions([&] {
    B::attention_dx<bf16>(size, nullptr, q, q + width, q + 2 * width, out.data(), lse.data(), dout.data(), dq,
                          dq + width, dq + 2 * width);
  });
  CAPTURE(forward, backward);
  CHECK(forward <= 900);
  CHECK(backward <= 1800);
}
