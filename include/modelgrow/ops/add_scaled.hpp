// SPDX-License-Identifier: MIT
// A value plus a multiple of another: how low-rank adapters join the layer that they adapt.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// a + factor * b. Throws shape_error if the shapes differ.
template <class T, HasBackend D>
Var<T, D> add_scaled(Tape<T, D>& tape, const Var<T, D>& a, const Var<T, D>& b, double factor) {
  expect("add_scaled", a.shape() == b.shape(), [&] {
    return "the second operand is " + to_string(b.shape()) + "; expected the shape of the first, " +
           to_string(a.shape());
  });
  Tensor<T, D> y = tape.allocate(a.shape());
  D::copy(y.data(), a.data(), y.bytes());
  Backend<D>::axpy(y.size(), factor, b.data(), y.data());
  return tape.record(std::move(y), {a, b}, [&tape, factor, a, b](Tensor<T, D> dy) {
    tape.accumulate(b, factor, dy);
    tape.accumulate(a, std::move(dy));
  });
}

}  // namespace modelgrow::inline v0
