// SPDX-License-Identifier: MIT
// The mean squared error, the loss of diffusion and flow matching.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// mean (prediction - target)^2 over all values -> scalar. No gradient flows to the target. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> mse(Tape<T, D>& tape, const Var<T, D>& prediction, const Tensor<T, D>& target) {
  expect("mse", prediction.shape() == target.shape() && target.size() > 0, [&] {
    return "the target is " + to_string(target.shape()) + "; expected the shape of the prediction, " +
           to_string(prediction.shape()) + ", with at least one value";
  });
  const std::int64_t n = target.size();
  Tensor<T, D> loss = tape.allocate(Shape{});
  Backend<D>::mse(n, prediction.data(), target.data(), loss.data());
  return tape.record(std::move(loss), {prediction}, [=, &tape](Tensor<T, D> dloss) {
    Tensor<T, D> dx = tape.allocate(prediction.shape());
    Backend<D>::mse_dx(n, prediction.data(), target.data(), dloss.data(), dx.data());
    tape.accumulate(prediction, std::move(dx));
  });
}

}  // namespace modelgrow::inline v0
