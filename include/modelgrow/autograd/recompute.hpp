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
  if (!tape.records()) return tape.constant(f(inputs).value());
  std::vector<Parameter<T, D>*> parameters;
  Tensor<T, D> value = tape.without_recording(parameters, [&] { return f(inputs).value(); });
  std::vector<Var<T, D>> dependencies = inputs;
  for (Parameter<T, D>* p : parameters) dependencies.push_back(tape.use(*p));
  return tape.record(std::move(value), std::span<const Var<T, D>>(dependencies), [&tape, inputs, f](Tensor<T, D> dy) {
    std::vector<Var<T, D>> leaves;
    for (const auto& x : inputs) leaves.push_back(tape.stand_in(x));
    tape.replay([&] { return f(leaves); }, std::move(dy));
    for (std::size_t i = 0; i < inputs.size(); ++i) tape.return_gradient(leaves[i], inputs[i]);
  });
}

}  // namespace modelgrow::inline v0
