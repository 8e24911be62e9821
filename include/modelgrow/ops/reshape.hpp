// SPDX-License-Identifier: MIT
// The same values under another shape.
#pragma once
#include <utility>

#include <modelgrow/autograd/tape.hpp>

namespace modelgrow::inline v0 {

/// x seen as `shape` (same number of elements); no copy forward. Throws shape_error if the sizes differ.
template <class T, HasBackend D>
Var<T, D> reshape(Tape<T, D>& tape, const Var<T, D>& x, Shape shape) {
  return tape.record(x.value().reshape(std::move(shape)), {x},
                     [&tape, x](Tensor<T, D> dy) { tape.accumulate(x, dy.reshape(x.shape())); });
}

}  // namespace modelgrow::inline v0
