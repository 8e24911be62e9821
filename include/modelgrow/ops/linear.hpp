// SPDX-License-Identifier: MIT
// y = x W^T + b over the last dimension.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// The size of a map of x [.., in] by w [out, in] and b [out] or undefined. Throws shape_error.
template <class T, Device D>
LinearSize linear_size(std::string_view op, const Shape& x, const Var<T, D>& w, const Var<T, D>& b) {
  expect(op, w.shape().rank() == 2 && x.rank() >= 1 && x[x.rank() - 1] == w.dim(1), [&] {
    return "the input is " + to_string(x) + ", the weight " + to_string(w.shape()) +
           "; expected [.., in] and [out, in]: the last dimensions must be equal";
  });
  if (b.defined()) expect_shape(op, "the bias", b.shape(), {w.dim(0)}, "one value per row of the weight");
  return {.rows = numel(x) / w.dim(1), .in = w.dim(1), .out = w.dim(0)};
}
/// [.., in] -> [.., out].
inline Shape mapped_shape(Shape x, const LinearSize& size) {
  x[x.rank() - 1] = size.out;
  return x;
}

namespace detail {
/// The gradients of w and b.
template <class T, HasBackend D>
void linear_dw(Tape<T, D>& tape, const LinearSize& size, const Tensor<T, D>& dy, const Tensor<T, D>& x,
               const Var<T, D>& w, const Var<T, D>& b) {
  tape.contribute(b, [&](Stat<T>* db) {
    tape.collect([&](Stat<T>* dw) { Backend<D>::linear_dw(size, dy.data(), x.data(), dw, db); }, w);
  });
}
}  // namespace detail

/// x [.., in], w [out, in], b [out] or undefined -> [.., out]. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> linear(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& w, const Var<T, D>& b = {}) {
  const LinearSize size = linear_size("linear", x.shape(), w, b);
  Tensor<T, D> y = tape.allocate(mapped_shape(x.shape(), size));
  Backend<D>::linear(size, x.data(), w.data(), b.defined() ? b.data() : nullptr, y.data());
  return tape.record(std::move(y), {x, w, b}, [&tape, size, x, w, b](Tensor<T, D> dy) {
    detail::linear_dw(tape, size, dy, x.value(), w, b);
    tape.write(x, [&](T* dx, Write write) {
      if (dx) Backend<D>::linear_dx(size, dy.data(), w.data(), dx, write);
    });
  });
}

}  // namespace modelgrow::inline v0
