// SPDX-License-Identifier: MIT
// STDiT trains and samples on the emulated GPU as on the CPU. The layers, the tape and the trainer never touch device
// memory from the host: here that would be a crash, as it would be on a GPU.
#include <modelgrow/backend/cpu.hpp>

#include "tests/cuda_on_host/support/emulated.hpp"
#include "tests/support/tiny_training.hpp"

using namespace modelgrow;

namespace {

template <class T>
void check_against_cpu(const testing::TinyRunOptions& options, const testing::TinyRunBounds& bounds) {
  testing::check_tiny_run(testing::tiny_run<T, Emulated>(options), testing::tiny_run<double, Cpu>(options), bounds);
}

}  // namespace

TEST_CASE("STDiT trains on the emulated GPU in double, with activations kept or computed again") {
  for (const Activations activations : {Activations::keep, Activations::recompute})
    check_against_cpu<double>({.activations = activations}, testing::double_bounds);
}

TEST_CASE("STDiT trains on the emulated GPU in float, with either temporal convolution") {
  using Kind = ConvKind;
  for (const Kind conv : {Kind::depthwise, Kind::dense})
    check_against_cpu<float>({.conv = conv}, testing::float_bounds);
}

TEST_CASE("Mixtures of experts train on the emulated GPU") {
  check_against_cpu<double>({.experts = 3}, testing::double_bounds);
  check_against_cpu<float>({.experts = 2}, testing::float_bounds);
}

TEST_CASE("STDiT trains on the emulated GPU in bf16 within its rounding") {
  check_against_cpu<bf16>({}, testing::bf16_bounds);
}
