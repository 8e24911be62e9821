// SPDX-License-Identifier: MIT
// A loss beside the one that is returned: its gradient joins where a value is used, so that nobody has to carry it out
// of the layers, and activations can be recomputed.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// x itself; in the backward step the scalar `loss` gets the gradient `weight`. Whoever divides a loss (by the number
/// of micro-batches) divides the weight too. Throws shape_error unless the loss is a scalar.
template <class T, HasBackend D>
Var<T, D> also_minimise(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& loss, double weight) {
  expect("also_minimise", loss.value().size() == 1,
         [&] { return "the loss is " + to_string(loss.shape()) + "; expected a scalar"; });
  return tape.record(x.value(), {x, loss}, [=, &tape](Tensor<T, D> dy) {
    Tensor<T, D> dloss = tape.allocate(loss.shape());
    Backend<D>::fill(1, element_cast<T>(weight), dloss.data());
    tape.accumulate(loss, std::move(dloss));
    tape.accumulate(x, std::move(dy));
  });
}

}  // namespace modelgrow::inline v0
