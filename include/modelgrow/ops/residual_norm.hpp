// SPDX-License-Identifier: MIT
// Between two adaLN branches: one joins the residual stream, the next one reads it normalised, in one pass over memory.
#pragma once
#include <optional>
#include <utility>

#include <modelgrow/ops/add.hpp>
#include <modelgrow/ops/gate_residual.hpp>
#include <modelgrow/ops/norm_modulate.hpp>

namespace modelgrow::inline v0 {

/// The stream behind a branch, gate_residual(x, branch, m, gate) or without a gate add(x, branch), and norm_modulate of
/// it, to the bit. Throws shape_error.
template <class T, HasBackend D>
std::pair<Var<T, D>, Var<T, D>> residual_norm_modulate(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& branch,
                                                       const Var<T, D>& m, std::optional<int> gate, Slots slots = {},
                                                       double eps = 1e-6) {
  constexpr auto op = "residual_norm_modulate";
  const ModulateSize size = modulate_size(op, x, m, {slots.shift, slots.scale, gate.value_or(slots.shift)});
  expect(op, x.shape() == branch.shape(), [&] {
    return "the branch is " + to_string(branch.shape()) + "; expected the shape of the residual stream, " +
           to_string(x.shape());
  });
  Tensor<T, D> sum = tape.allocate(x.shape()), y = tape.allocate(x.shape());
  const detail::NormMoments<T, D> kept(tape, size);
  Backend<D>::residual_norm_modulate(size, eps, x.data(), branch.data(), m.data(), gate.value_or(no_gate), slots.shift,
                                     slots.scale, sum.data(), y.data(), kept.mean.data(), kept.rstd.data());
  const Var<T, D> stream = gate ? detail::record_gate_residual(tape, std::move(sum), size, x, branch, m, *gate)
                                : detail::record_add(tape, std::move(sum), x, branch);
  return {stream, detail::record_norm_modulate(tape, std::move(y), size, stream, m, slots, kept)};
}

}  // namespace modelgrow::inline v0
