// SPDX-License-Identifier: MIT
// The Gaussian error linear unit by the error function (Hendrycks & Gimpel 2016), as BERT has it. Forward only.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// x = x / 2 * (1 + erf(x / sqrt(2))), in place.
template <HasInference D>
void gelu(const Tensor<float, D>& x) {
  Backend<D>::gelu(x.size(), x.data());
}

}  // namespace modelgrow::inline v0
