// SPDX-License-Identifier: MIT
// The validation loss: a mean over numbered points, without gradients, the same each time for the same weights.
#pragma once
#include <cstdint>

#include <modelgrow/autograd/tape.hpp>

namespace modelgrow::inline v0 {

/// Mean of loss(tape, i) -> scalar Var over i = 0 .. points - 1, in that order. Use validation_batch() for fixed noise
/// levels and noise. Throws error when there are no points.
template <class T, Device D, class Loss>
double evaluate(std::int64_t points, Loss&& loss) {
  if (points < 1) throw error("a validation loss needs at least one batch; the validation set is empty");
  Tape<T, D> tape(Tape<T, D>::Mode::infer);
  double sum = 0.0;
  for (std::int64_t i = 0; i < points; ++i) sum += double(Stat<T>(to_cpu(loss(tape, i).value()).data()[0]));
  return sum / double(points);
}

}  // namespace modelgrow::inline v0
