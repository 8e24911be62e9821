// SPDX-License-Identifier: MIT
// A learned gate for each attention head (Lumina-T2X, Flamingo): what attention adds can begin as nothing.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// x * tanh(gate) for x [.., heads * head_dim], head-major, and gate [heads]. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> head_gate(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& gate) {
  expect_shape("head_gate", "the gate", gate.shape(), {any_size}, "one value per head");
  const std::int64_t heads = gate.dim(0);
  expect("head_gate", x.shape().rank() >= 1 && heads > 0 && x.dim(-1) % heads == 0, [&] {
    return "the input is " + to_string(x.shape()) + "; expected a last dimension divisible by " +
           std::to_string(heads) + " heads: give a gate for each head";
  });
  const std::int64_t channels = x.dim(-1), rows = x.value().size() / channels, head_dim = channels / heads;
  Tensor<T, D> y = tape.allocate(x.shape());
  Backend<D>::head_gate(rows, heads, head_dim, x.data(), gate.data(), y.data());
  return tape.record(std::move(y), {x, gate}, [=, &tape](Tensor<T, D> dy) {
    Tensor<T, D> dx = x.wants_gradient() ? tape.allocate(x.shape()) : Tensor<T, D>();
    tape.collect(
        [&](Stat<T>* dgate) {
          Backend<D>::head_gate_dx(rows, heads, head_dim, x.data(), gate.data(), dy.data(), dx.data(), dgate);
        },
        gate);
    if (dx.defined()) tape.accumulate(x, std::move(dx));
  });
}

}  // namespace modelgrow::inline v0
