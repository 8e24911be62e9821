// SPDX-License-Identifier: MIT
// Activation recomputation (Chen et al. 2016): keep only the inputs of a block and run it again in the backward pass.
#pragma once
#include <utility>
#include <vector>

#include <modelgrow/autograd/tape.hpp>

namespace modelgrow::inline v0 {

/// Whether a block keeps its activations or computes them again.
enum class Activations { keep, recompute };

/// f(inputs) -> Var, differentiable in `inputs` and in the parameters that f uses; f must be deterministic and outlive
/// the backward pass.
template <class T, Device D, class F>
Var<T, D> recompute(Tape<T, D>& tape, std::vector<Var<T, D>> inputs, F f) {
  Tensor<T, D> value = tape.without_recording([&] { return f(inputs).value(); });
  if (!tape.records()) return tape.constant(std::move(value));
  // The result depends on parameters too, so it always wants a gradient: a marker leaf says so.
  const Var<T, D> marker = tape.leaf(tape.allocate(Shape{0}));
  return tape.record(std::move(value), {marker}, [&tape, inputs, f](Tensor<T, D> dy) {
    std::vector<Var<T, D>> leaves;
    for (const auto& x : inputs) leaves.push_back(tape.stand_in(x));
    tape.replay([&] { return f(leaves); }, std::move(dy));
    for (std::size_t i = 0; i < inputs.size(); ++i) tape.return_gradient(leaves[i], inputs[i]);
  });
}

}  // namespace modelgrow::inline v0
