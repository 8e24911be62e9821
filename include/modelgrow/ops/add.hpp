// SPDX-License-Identifier: MIT
// The sum of two values of one shape: the residual connection.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// y as the result of add.
template <class T, HasBackend D>
Var<T, D> record_add(Tape<T, D>& tape, Tensor<T, D> y, const Var<T, D>& a, const Var<T, D>& b) {
  return tape.record(std::move(y), {a, b}, [&tape, a, b](Tensor<T, D> dy) {
    tape.accumulate(a, dy);
    tape.accumulate(b, std::move(dy));
  });
}
}  // namespace detail

/// a + b. Throws shape_error if the shapes differ; nothing is broadcast.
template <class T, HasBackend D>
Var<T, D> add(Tape<T, D>& tape, const Var<T, D>& a, const Var<T, D>& b) {
  expect("add", a.shape() == b.shape(), [&] {
    return "the second operand is " + to_string(b.shape()) + "; expected the shape of the first, " +
           to_string(a.shape()) + ": reshape one of them, nothing is broadcast";
  });
  Tensor<T, D> y = tape.allocate(a.shape());
  Backend<D>::add(y.size(), a.data(), b.data(), y.data());
  return detail::record_add(tape, std::move(y), a, b);
}

}  // namespace modelgrow::inline v0
