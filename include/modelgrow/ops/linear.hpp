// SPDX-License-Identifier: MIT
// y = x W^T + b over the last dimension.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// x [.., in], w [out, in], b [out] or undefined -> [.., out]. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> linear(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& w, const Var<T, D>& b = {}) {
  expect("linear", w.shape().rank() == 2 && x.shape().rank() >= 1 && x.dim(-1) == w.dim(1), [&] {
    return "the input is " + to_string(x.shape()) + ", the weight " + to_string(w.shape()) +
           "; expected [.., in] and [out, in]: the last dimensions must be equal";
  });
  if (b.defined()) expect_shape("linear", "the bias", b.shape(), {w.dim(0)}, "one value per row of the weight");
  const LinearSize size{.rows = x.value().size() / w.dim(1), .in = w.dim(1), .out = w.dim(0)};
  Shape shape = x.shape();
  shape[shape.rank() - 1] = size.out;
  Tensor<T, D> y = tape.allocate(shape);
  Backend<D>::linear(size, x.data(), w.data(), b.defined() ? b.data() : nullptr, y.data());
  return tape.record(std::move(y), {x, w, b}, [&tape, size, x, w, b](Tensor<T, D> dy) {
    if (w.wants_gradient()) Backend<D>::linear_dw(size, dy.data(), x.data(), tape.sum_target(w).data());
    if (b.defined() && b.wants_gradient())
      Backend<D>::column_sum(size.rows, size.out, dy.data(), tape.sum_target(b).data());
    if (x.wants_gradient()) {
      auto [dx, write] = tape.target(x);
      Backend<D>::linear_dx(size, dy.data(), w.data(), dx.data(), write);
    }
  });
}

}  // namespace modelgrow::inline v0
