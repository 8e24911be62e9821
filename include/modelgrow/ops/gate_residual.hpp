// SPDX-License-Identifier: MIT
// The exit of an adaLN branch: the branch, gated by a modulation vector, is added to the residual stream.
#pragma once
#include <modelgrow/autograd/recompute.hpp>
#include <modelgrow/ops/modulate_size.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// y as the result of gate_residual.
template <class T, HasBackend D>
Var<T, D> record_gate_residual(Tape<T, D>& tape, Tensor<T, D> y, const ModulateSize& size, const Var<T, D>& x,
                               const Var<T, D>& branch, const Var<T, D>& m, int gate) {
  return tape.record(std::move(y), {x, branch, m}, [&tape, size, gate, x, branch, m](Tensor<T, D> dy) {
    Tensor<T, D> dbranch = branch.wants_gradient() ? tape.allocate(branch.shape()) : Tensor<T, D>();
    tape.collect_later(
        [&](Stat<T>* dm, auto& sums) {
          sums.gate_residual_dx(size, branch.data(), m.data(), gate, dy.data(), dbranch.data(), dm);
        },
        m);
    if (dbranch.defined()) tape.accumulate(branch, std::move(dbranch));
    tape.accumulate(x, std::move(dy));
  });
}
}  // namespace detail

/// x + m[:, gate] * branch for x and branch [B, .., C] and m [B, K, C]; a result that nobody reads is not computed.
/// Throws shape_error.
template <class T, HasBackend D>
Var<T, D> gate_residual(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& branch, const Var<T, D>& m, int gate,
                        Value result = Value::read) {
  const ModulateSize size = modulate_size("gate_residual", x, m, {gate});
  expect("gate_residual", x.shape() == branch.shape(), [&] {
    return "the branch is " + to_string(branch.shape()) + "; expected the shape of the residual stream, " +
           to_string(x.shape());
  });
  Tensor<T, D> y = tape.allocate(x.shape());
  if (result == Value::read) Backend<D>::gate_residual(size, x.data(), branch.data(), m.data(), gate, y.data());
  return detail::record_gate_residual(tape, std::move(y), size, x, branch, m, gate);
}

}  // namespace modelgrow::inline v0
