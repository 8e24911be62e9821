// SPDX-License-Identifier: MIT
// A point on the line between two values: how a masked block joins the stream that it reads.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// x + weight * (y - x): x to the bit at weight 0, y itself at weight 1. Throws shape_error if the shapes differ.
template <class T, HasBackend D>
Var<T, D> interpolate(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& y, double weight) {
  expect("interpolate", x.shape() == y.shape(), [&] {
    return "the second operand is " + to_string(y.shape()) + "; expected the shape of the first, " +
           to_string(x.shape());
  });
  if (weight == 1) return y;
  Tensor<T, D> z = tape.allocate(x.shape());
  D::copy(z.data(), x.data(), z.bytes());
  if (weight != 0) Backend<D>::lerp(z.size(), weight, y.data(), z.data());
  return tape.record(std::move(z), {x, y}, [&tape, weight, x, y](Tensor<T, D> dz) {
    tape.accumulate(x, 1 - weight, dz);
    tape.accumulate(y, weight, dz);
  });
}

}  // namespace modelgrow::inline v0
