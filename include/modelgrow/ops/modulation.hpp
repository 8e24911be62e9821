// SPDX-License-Identifier: MIT
// Modulation vectors of blocks: each has a learned table, to which is added what the time step says (adaLN-single,
// PixArt-alpha).
#pragma once
#include <span>
#include <vector>

#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// tables [K, C] of several blocks + t -> [B, blocks * K, C], those of the first block first; t is [B, K*C] (a vector a
/// slot) or [B, C] (the same for all slots). Throws shape_error.
template <class T, HasBackend D>
Var<T, D> modulation(Tape<T, D>& tape, const std::vector<Var<T, D>>& tables, const Var<T, D>& t) {
  expect("modulation", !tables.empty(), [] { return "there is no table; give that of a block at least"; });
  const Shape& shape = tables[0].shape();
  expect_shape("modulation", "the table", shape, {any_size, any_size}, "give [slots, channels]");
  for (const auto& table : tables)
    expect("modulation", table.shape() == shape, [&] {
      return "a table is " + to_string(table.shape()) + "; expected that of the first, " + to_string(shape);
    });
  const std::int64_t slots = shape[0], channels = shape[1], blocks = std::int64_t(tables.size());
  expect("modulation", t.shape().rank() == 2 && (t.dim(1) == channels || t.dim(1) == slots * channels), [&] {
    return "the time embedding is " + to_string(t.shape()) + "; expected [batch, " + std::to_string(channels) +
           "] or [batch, " + std::to_string(slots * channels) + "]: it must fit the table " + to_string(shape);
  });
  const ModulateSize size{.batch = t.dim(0), .tokens = 0, .channels = channels, .slots = slots};
  const std::int64_t slot_stride = t.dim(1) == channels ? 0 : channels;
  std::vector<const T*> values;
  for (const auto& table : tables) values.push_back(table.data());
  Tensor<T, D> m = tape.allocate({size.batch, blocks * slots, channels});
  Backend<D>::template modulation<T>(size, slot_stride, values, t.data(), m.data());
  std::vector<Var<T, D>> inputs = tables;
  inputs.push_back(t);
  return tape.record(std::move(m), std::span<const Var<T, D>>(inputs),
                     [&tape, size, slot_stride, tables, t](Tensor<T, D> dm) {
                       tape.write(t, [&](T* dt, Write write) {
                         tape.collect(
                             [&](std::span<Stat<T>* const> dtables) {
                               Backend<D>::template modulation_dx<T>(size, slot_stride, dm.data(), dtables, dt, write);
                             },
                             std::span<const Var<T, D>>(tables));
                       });
                     });
}

/// Of one block.
template <class T, HasBackend D>
Var<T, D> modulation(Tape<T, D>& tape, const Var<T, D>& table, const Var<T, D>& t) {
  return modulation(tape, std::vector<Var<T, D>>{table}, t);
}

}  // namespace modelgrow::inline v0
