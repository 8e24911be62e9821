// SPDX-License-Identifier: MIT
// A sum in place. Forward only; ops/add.hpp is the differentiable one.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// sum += weight * x. Throws shape_error.
template <HasInference D>
void add_to(const Tensor<float, D>& sum, const Tensor<float, D>& x, double weight = 1.0) {
  expect("add_to", x.shape() == sum.shape(), [&] {
    return "the input is " + to_string(x.shape()) + ", the sum " + to_string(sum.shape()) + "; expected equal shapes";
  });
  Backend<D>::axpy(x.size(), weight, x.data(), sum.data());
}

}  // namespace modelgrow::inline v0
