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
    tape.collect(
        [&](Stat<T>* dw, Stat<T>* db) {
          if (dw) Backend<D>::linear_dw(size, dy.data(), x.data(), dw);
          if (db) Backend<D>::column_sum(size.rows, size.out, dy.data(), db);
        },
        w, b);
    tape.write(x, [&](T* dx, Write write) {
      if (dx) Backend<D>::linear_dx(size, dy.data(), w.data(), dx, write);
    });
  });
}

}  // namespace modelgrow::inline v0
