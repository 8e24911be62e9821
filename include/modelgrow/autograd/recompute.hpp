// SPDX-License-Identifier: MIT
// Activation recomputation (Chen et al. 2016): keep only the inputs of a block and run it again in the backward pass.
#pragma once
#include <concepts>
#include <utility>
#include <vector>

#include <modelgrow/autograd/tape.hpp>

namespace modelgrow::inline v0 {

/// Whether a block keeps its activations or computes them again.
enum class Activations { keep, recompute };

/// Whether somebody reads the value of a result, or it only has a backward pass.
enum class Value { read, unread };

/// f(inputs) -> Var, differentiable in `inputs` and in the parameters that f uses; f must be deterministic and outlive
/// the backward pass. f(inputs, Value) may leave out what only its value needs.
template <class T, Device D, class F>
Var<T, D> recompute(Tape<T, D>& tape, std::vector<Var<T, D>> inputs, F f) {
  using Inputs = std::vector<Var<T, D>>;
  const auto run = [f](const Inputs& from, Value result) {
    if constexpr (std::invocable<F, const Inputs&, Value>)
      return f(from, result);
    else
      return f(from);
  };
  if (!tape.records()) return tape.constant(run(inputs, Value::read).value());
  std::vector<Parameter<T, D>*> parameters;
  Tensor<T, D> value = tape.without_recording(parameters, [&] { return run(inputs, Value::read).value(); });
  Inputs dependencies = inputs;
  for (Parameter<T, D>* p : parameters) dependencies.push_back(tape.use(*p));
  return tape.record(std::move(value), std::span<const Var<T, D>>(dependencies), [&tape, inputs, run](Tensor<T, D> dy) {
    Inputs leaves;
    for (const auto& x : inputs) leaves.push_back(tape.stand_in(x));
    tape.replay([&] { return run(leaves, Value::unread); }, std::move(dy));
    for (std::size_t i = 0; i < inputs.size(); ++i) tape.return_gradient(leaves[i], inputs[i]);
  });
}

}  // namespace modelgrow::inline v0
