// SPDX-License-Identifier: MIT
// The leading channels of a prediction: models that also predict a variance (DiT, STDiT with pred_sigma) are trained by
// flow matching on the first half of what they give.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// x [B, C, ..] -> the first n channels [B, n, ..]; the others get no gradient. Throws shape_error unless 0 < n <= C.
template <class T, HasBackend D>
Var<T, D> first_channels(Tape<T, D>& tape, const Var<T, D>& x, std::int64_t n) {
  expect("first_channels", x.shape().rank() >= 2 && n > 0 && n <= x.dim(1), [&] {
    return std::to_string(n) + " channels asked of " + to_string(x.shape()) +
           "; expected axis 1 to be the channels, with at least as many";
  });
  if (n == x.dim(1)) return x;
  Shape shape = x.shape();
  shape[1] = n;
  const std::int64_t all = x.value().size() / x.dim(0), some = all / x.dim(1) * n;  // values of a batch entry
  Tensor<T, D> y = tape.allocate(shape);
  for (std::int64_t b = 0; b < x.dim(0); ++b) D::copy(y.data() + b * some, x.data() + b * all, some * sizeof(T));
  return tape.record(std::move(y), {x}, [=, &tape](Tensor<T, D> dy) {
    Tensor<T, D> dx = tape.allocate(x.shape());
    Backend<D>::fill(dx.size(), T(0.0f), dx.data());
    for (std::int64_t b = 0; b < x.dim(0); ++b) D::copy(dx.data() + b * all, dy.data() + b * some, some * sizeof(T));
    tape.accumulate(x, std::move(dx));
  });
}

}  // namespace modelgrow::inline v0
