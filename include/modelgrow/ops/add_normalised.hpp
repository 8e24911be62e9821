// SPDX-License-Identifier: MIT
// A weighted sum of rows brought to mean 0 and variance 1. Forward only.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// sum [n, C] += weight * (x - mean) / sqrt(variance + 1e-5) of each row of x [n, C]. Throws shape_error.
template <HasInference D>
void add_normalised(const Tensor<float, D>& x, double weight, const Tensor<float, D>& sum) {
  expect("add_normalised", x.shape().rank() == 2 && x.shape() == sum.shape(), [&] {
    return "the input is " + to_string(x.shape()) + ", the sum " + to_string(sum.shape()) + "; expected twice [n, C]";
  });
  const Tensor<float, D> y(x.shape()), mean({x.dim(0)}), rstd({x.dim(0)});
  Backend<D>::template layer_norm<float>(x.dim(0), x.dim(1), 1e-5, x.data(), nullptr, nullptr, y.data(), mean.data(),
                                         rstd.data());
  Backend<D>::axpy(x.size(), weight, y.data(), sum.data());
}

}  // namespace modelgrow::inline v0
