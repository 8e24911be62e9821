// SPDX-License-Identifier: MIT
// Elementwise nonlinearities.
#pragma once
#include <modelgrow/autograd/tape.hpp>

namespace modelgrow::inline v0 {

/// Applies `kind` to every value.
template <class T, HasBackend D>
Var<T, D> activation(Tape<T, D>& tape, Activation kind, const Var<T, D>& x) {
  Tensor<T, D> y = tape.allocate(x.shape());
  Backend<D>::activation(kind, y.size(), x.data(), y.data());
  return tape.record(std::move(y), {x}, [&tape, kind, x](Tensor<T, D> dy) {
    Tensor<T, D> dx = dy.unique() ? dy : tape.allocate(x.shape());
    Backend<D>::activation_dx(kind, dy.size(), x.data(), dy.data(), dx.data());
    dy = {};
    tape.accumulate(x, std::move(dx));
  });
}

/// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the tanh form of GELU that video transformers use.
template <class T, HasBackend D>
Var<T, D> gelu(Tape<T, D>& tape, const Var<T, D>& x) {
  return activation(tape, Activation::gelu_tanh, x);
}

/// x / (1 + exp(-x)).
template <class T, HasBackend D>
Var<T, D> silu(Tape<T, D>& tape, const Var<T, D>& x) {
  return activation(tape, Activation::silu, x);
}

}  // namespace modelgrow::inline v0
