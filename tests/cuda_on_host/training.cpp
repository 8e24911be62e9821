// SPDX-License-Identifier: MIT
// STDiT trains and samples on the emulated GPU as on the CPU. The layers, the tape and the trainer never touch device
// memory from the host: here that would be a crash, as it would be on a GPU.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/ops/add.hpp>
#include <modelgrow/ops/linear.hpp>

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
  for (const Activations activations : {Activations::keep, Activations::recompute})
    check_against_cpu<bf16>({.activations = activations}, testing::bf16_bounds);
}

TEST_CASE("gradients of 16-bit weights add up in float, by operations that only add and by those that give one") {
  Parameter<bf16, Emulated> bias{ParamInfo{.axes = {out(2)}}};
  bias.value.zero();
  const auto zero = Tensor<bf16, Emulated>::zeros({1, 2}), square = Tensor<bf16, Emulated>::zeros({2, 2});
  Tape<bf16, Emulated> tape;
  const auto pass = [&](float gradient, auto&& use) {
    const Tensor<bf16, Cpu> dy = Tensor<bf16, Cpu>::from({2}, std::vector<bf16>(2, bf16(gradient)));
    const auto y = use(tape.use(bias));
    tape.backward(y, to_device<Emulated>(dy).reshape(y.shape()));
  };
  const auto adds = [&](const auto& b) { return linear(tape, tape.constant(zero), tape.constant(square), b); };
  const auto gives = [&](const auto& b) { return add(tape, b, tape.constant(zero.reshape({2}))); };
  pass(1, gives);
  for (int i = 0; i < 300; ++i) {  // in bf16, 1 + 2^-9 is 1
    pass(0x1p-9f, adds);
    pass(0x1p-9f, gives);
  }
  CHECK(to_cpu(bias.gradient).data()[1] == 1 + 600 * 0x1p-9f);
}
