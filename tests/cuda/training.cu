// SPDX-License-Identifier: MIT
// STDiT trains and samples on a GPU as on the CPU; the same run that cuda_on_host/training.cpp gives to the emulated
// GPU.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/cuda.cuh>

#include "tests/support/gpu.cuh"
#include "tests/support/tiny_training.hpp"

using namespace modelgrow;
using testing::TinyRun;
using testing::TinyRunOptions;

namespace {

template <class T>
void check_against_cpu(const TinyRunOptions& options, const testing::TinyRunBounds& bounds) {
  if (!testing::gpu_present()) return;
  testing::check_tiny_run(testing::tiny_run<T, Cuda>(options), testing::tiny_run<double, Cpu>(options), bounds);
}

}  // namespace

TEST_CASE("STDiT trains on the GPU in float, with either temporal convolution, activations kept or computed again") {
  using Kind = ConvKind;
  for (const Kind conv : {Kind::depthwise, Kind::dense})
    for (const Activations activations : {Activations::keep, Activations::recompute})
      check_against_cpu<float>({.conv = conv, .activations = activations}, testing::float_bounds);
}

TEST_CASE("STDiT trains on the GPU in bf16 within its rounding") { check_against_cpu<bf16>({}, testing::bf16_bounds); }

TEMPLATE_TEST_CASE("two runs on the GPU are the same bit for bit", "", float, bf16) {
  if (!testing::gpu_present()) return;
  for (const Activations activations : {Activations::keep, Activations::recompute}) {
    const TinyRun a = testing::tiny_run<TestType, Cuda>({.activations = activations}),
                  b = testing::tiny_run<TestType, Cuda>({.activations = activations});
    CHECK(a.losses == b.losses);
    CHECK(a.norms == b.norms);
    CHECK(a.gradients == b.gradients);
    CHECK(a.clip == b.clip);
  }
}

TEMPLATE_TEST_CASE("steps as graphs have the bits of steps piece by piece", "", float, bf16) {
  if (!testing::gpu_present()) return;
  const TinyRun graph = testing::tiny_run<TestType, Cuda>({.steps = 5, .graph = true}),
                pieces = testing::tiny_run<TestType, Cuda>({.steps = 5});
  CHECK(graph.losses == pieces.losses);
  CHECK(graph.norms == pieces.norms);
  CHECK(graph.clip == pieces.clip);
}

TEST_CASE("what a GPU cannot do is an exception that says so") {
  if (!testing::gpu_present()) return;
  CHECK_THROWS_AS(Cuda::allocate(std::size_t{1} << 60), device_error);
  const AttentionSize wide{1, 1, 1, 1, 1, 300, {0, 0, 300}, {0, 0, 300}, {0, 0, 300}};
  const Tensor<float, Cuda> x = to_device<Cuda>(Tensor<float, Cpu>::zeros({300})), lse({1});
  CHECK_THROWS_AS(
      (Backend<Cuda>::attention<float>(wide, nullptr, x.data(), x.data(), x.data(), x.clone().data(), lse.data())),
      device_error);
}
