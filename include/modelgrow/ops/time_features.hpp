// SPDX-License-Identifier: MIT
// Sinusoidal features of the time step (Vaswani et al. 2017; Ho et al. 2020), in float32 as all families compute them.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// t [B], in float even for a bf16 model (bf16 cannot tell 999 from 1000) -> [B, width] = [cos(t f_0..), sin(t f_0..)],
/// f_j = 10000^(-j / (width/2)). No gradient flows to t. Throws shape_error for an odd width.
template <class T, HasBackend D>
Var<T, D> time_features(Tape<T, D>& tape, const Tensor<Stat<T>, D>& t, std::int64_t width) {
  expect_shape("time_features", "the times", t.shape(), {any_size}, "one time per clip");
  expect("time_features", width > 0 && width % 2 == 0, [&] {
    return "the width is " + std::to_string(width) + "; expected an even number: half cosines, half sines";
  });
  Tensor<T, D> features = tape.allocate({t.dim(0), width});
  Backend<D>::time_features(t.dim(0), width, t.data(), features.data());
  return tape.constant(std::move(features));
}

}  // namespace modelgrow::inline v0
