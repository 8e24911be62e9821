// SPDX-License-Identifier: MIT
// The gate of a gated feed-forward layer (SwiGLU, GEGLU; Shazeer 2020). Forward only.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// gate = f(gate) * up. Throws shape_error.
template <HasInference D>
void gated(Activation f, const Tensor<float, D>& gate, const Tensor<float, D>& up) {
  expect("gated", gate.shape() == up.shape(), [&] {
    return "the gate is " + to_string(gate.shape()) + ", what it gates " + to_string(up.shape()) +
           "; expected equal shapes";
  });
  Backend<D>::gated(f, gate.size(), up.data(), gate.data());
}

}  // namespace modelgrow::inline v0
