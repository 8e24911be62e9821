// SPDX-License-Identifier: MIT
// Division by the root mean square of the last dimension (Zhang & Sennrich 2019). Forward only.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// y = x / sqrt(mean(x^2) + eps) * gain over runs of gain.size() values; y may be x. Throws shape_error.
template <HasInference D>
void rms_norm(const Tensor<float, D>& x, const Tensor<float, D>& gain, double eps, const Tensor<float, D>& y) {
  expect("rms_norm", gain.size() > 0 && x.size() % gain.size() == 0 && x.size() == y.size(), [&] {
    return "the input is " + to_string(x.shape()) + ", the result " + to_string(y.shape()) + ", the gain " +
           to_string(gain.shape()) + "; expected equal sizes, and rows as long as the gain";
  });
  Backend<D>::rms_norm(x.size() / gain.size(), gain.size(), eps, x.data(), gain.data(), y.data());
}

}  // namespace modelgrow::inline v0
