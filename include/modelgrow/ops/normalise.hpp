// SPDX-License-Identifier: MIT
// Rows brought to mean 0 and variance 1. Forward only; ops/layer_norm.hpp is the differentiable one.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// y = (x - mean) / sqrt(variance + eps) * gain + bias of each row of x [n, C]; gain and bias [C] are both undefined or
/// both given. Throws shape_error.
template <HasInference D>
void normalise(const Tensor<float, D>& x, const Tensor<float, D>& gain, const Tensor<float, D>& bias, double eps,
               const Tensor<float, D>& y) {
  expect("normalise", x.shape().rank() == 2 && x.shape() == y.shape(), [&] {
    return "the input is " + to_string(x.shape()) + ", the result " + to_string(y.shape()) + "; expected twice [n, C]";
  });
  expect("normalise", gain.defined() == bias.defined(), [] { return "give gain and bias, or none of them"; });
  if (gain.defined()) {
    expect_shape("normalise", "the gain", gain.shape(), {x.dim(1)}, "one value a column");
    expect_shape("normalise", "the bias", bias.shape(), {x.dim(1)}, "one value a column");
  }
  const Tensor<float, D> mean({x.dim(0)}), rstd({x.dim(0)});
  Backend<D>::template layer_norm<float>(x.dim(0), x.dim(1), eps, x.data(), gain.defined() ? gain.data() : nullptr,
                                         bias.defined() ? bias.data() : nullptr, y.data(), mean.data(), rstd.data());
}

}  // namespace modelgrow::inline v0
