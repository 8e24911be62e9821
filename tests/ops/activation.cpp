// SPDX-License-Identifier: MIT
// GELU and SiLU: values against the defining formulas, gradients.
#include <modelgrow/ops/activation.hpp>

#include "tests/support/gradient_check.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("gelu is the tanh form") {
  const auto x = random_tensor({37}, 1, 3.0);
  const auto y = evaluate({x}, [](auto& tape, const auto& v) { return gelu(tape, v[0]); });
  for (int i = 0; i < 37; ++i) {
    const double v = x.data()[i];
    CHECK_THAT(y.data()[i],
               WithinAbs(0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v))), 1e-14));
  }
}

TEST_CASE("silu is x times its logistic function") {
  const auto x = random_tensor({5, 7}, 2, 3.0);
  const auto y = evaluate({x}, [](auto& tape, const auto& v) { return silu(tape, v[0]); });
  for (int i = 0; i < 35; ++i) CHECK_THAT(y.data()[i], WithinAbs(x.data()[i] / (1 + std::exp(-x.data()[i])), 1e-14));
}

TEST_CASE("activations have the gradients of their formulas") {
  check_gradients({random_tensor({3, 41}, 3, 2.0)}, [](auto& tape, const auto& v) { return gelu(tape, v[0]); });
  check_gradients({random_tensor({3, 41}, 4, 2.0)}, [](auto& tape, const auto& v) { return silu(tape, v[0]); });
}

TEST_CASE("activations keep their limits in float", "[float]") {
  const std::vector<float> far{-1e30f, -100.f, -20.f, 20.f, 100.f, 1e15f};
  Tape<float, Cpu> tape(Tape<float, Cpu>::Mode::infer);
  const auto x = tape.constant(Tensor<float, Cpu>::from({6}, far));
  for (const auto& y : {gelu(tape, x), silu(tape, x)})
    for (int i = 0; i < 6; ++i) CHECK_THAT(y.data()[i], WithinAbs(far[i] > 0 ? far[i] : 0.f, 1e-6));
}
