// SPDX-License-Identifier: MIT
// Temporal convolution as nvcc compiles it: instructions, width of accesses, and bits of depthwise, tiles of dense.
#include <typeinfo>
#include <utility>

#include "tests/cuda_on_host/support/emulated.hpp"
#include "tests/cuda_on_host/support/interpreted.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporal_conv_check.hpp"

using namespace modelgrow;
using kernels::ForEach;
using kernels::SlidingConv;
using kernels::SlidingConvDx;

namespace {

template <class Kernel>
const ptx::Entry& entry() {
  return Interpreted::module().kernel_of(typeid(Kernel).name());
}
/// Whether registers are all the memory of a thread, and all that goes to and from device memory goes 16 bytes at once.
template <class Kernel>
bool sixteen_bytes_at_once() {
  bool all = entry<Kernel>().local_bytes == 0;
  for (const ptx::Instruction& i : entry<Kernel>().code)
    if (i.space == ptx::Space::global) all = all && i.count * i.bytes == 16;
  return all;
}
template <class T, int Taps>
void check_accesses() {
  CHECK(sixteen_bytes_at_once<ForEach<SlidingConv<T, Taps>>>());
  CHECK(sixteen_bytes_at_once<SlidingConvDx<T, Taps>>());
}

/// What the threads of a kernel run, for each of `values`.
template <class Kernel>
double instructions(const Kernel& kernel, std::int64_t values) {
  kernels::PtxExecutor::launch(kernel);
  return double(Interpreted::machine().executed()) / double(values);
}

/// Of 16 frames of 32 positions of 128 channels: forward, and all gradients.
template <int Taps>
std::pair<double, double> instructions_per_value() {
  const TemporalConvSize conv{1, 16, 32, 128, 128, Taps, -(Taps - 1), TemporalConvSize::Kind::depthwise};
  constexpr std::int64_t n = 16 * 32 * 128;
  const Tensor<bf16, Interpreted> x({n}), y({n}), dx({n}), w({128 * Taps}), b({128});
  const auto size = kernels::ColumnSize::of<bf16>(conv);
  const SlidingConv<bf16, Taps> forward{.size = size, .x = x.data(), .w = w.data(), .b = b.data(), .y = y.data()};
  const auto parts = kernels::ConvParts::of(size);
  const Tensor<float, Interpreted> partial({(Taps + 1) * parts.count() * 128});
  const SlidingConvDx<bf16, Taps> backward{.size = size,
                                           .parts = parts,
                                           .dy = y.data(),
                                           .x = x.data(),
                                           .w = w.data(),
                                           .dx = dx.data(),
                                           .partial = partial.data()};
  return {instructions(ForEach<SlidingConv<bf16, Taps>>{.n = forward.count(), .element = forward}, n),
          instructions(backward, n)};
}

}  // namespace

TEST_CASE("depthwise convolution loads and stores 16 bytes at once, and nothing else") {
  check_accesses<bf16, 3>();
  check_accesses<bf16, 5>();
  check_accesses<float, 3>();
  check_accesses<float, 5>();
}

TEST_CASE("depthwise convolution of 16 frames takes few instructions") {
  for (const auto& [forward, backward] : {instructions_per_value<3>(), instructions_per_value<5>()}) {
    CAPTURE(forward, backward);
    CHECK(forward <= 12);
    CHECK(backward <= 24);
  }
}

TEST_CASE("depthwise convolution has the bits of the host in PTX") {
  const auto check = [](auto call) {
    testing::Side<bf16, Interpreted, bf16> ptx;
    testing::Side<bf16, Emulated, bf16> host;
    call(ptx);
    call(host);
    const auto a = ptx.outcomes(), b = host.outcomes();
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].values == b[i].values);
  };
  check(testing::depthwise_conv_call(3));
  check(testing::depthwise_conv_call(5));
}

TEST_CASE("dense convolution at the edges of tiles as nvcc's PTX") {
  testing::check_dense_conv_on_matrix_units<Interpreted>(0, 3);
}
