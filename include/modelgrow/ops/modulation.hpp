// SPDX-License-Identifier: MIT
// Modulation vectors of a block: its own learned table plus what the time step says (adaLN-single, PixArt-alpha).
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// table [K, C] + t -> [B, K, C]; t is [B, K*C] (a vector a slot) or [B, C] (the same for all slots). Throws
/// shape_error.
template <class T, HasBackend D>
Var<T, D> modulation(Tape<T, D>& tape, const Var<T, D>& table, const Var<T, D>& t) {
  expect_shape("modulation", "the table", table.shape(), {any_size, any_size}, "give [slots, channels]");
  const std::int64_t slots = table.dim(0), channels = table.dim(1);
  expect("modulation", t.shape().rank() == 2 && (t.dim(1) == channels || t.dim(1) == slots * channels), [&] {
    return "the time embedding is " + to_string(t.shape()) + "; expected [batch, " + std::to_string(channels) +
           "] or [batch, " + std::to_string(slots * channels) + "]: it must fit the table " + to_string(table.shape());
  });
  const ModulateSize size{.batch = t.dim(0), .tokens = 0, .channels = channels, .slots = slots};
  const std::int64_t slot_stride = t.dim(1) == channels ? 0 : channels;
  Tensor<T, D> m = tape.allocate({size.batch, slots, channels});
  Backend<D>::modulation(size, slot_stride, table.data(), t.data(), m.data());
  return tape.record(std::move(m), {table, t}, [&tape, size, slot_stride, table, t](Tensor<T, D> dm) {
    tape.write(t, [&](T* dt, Write write) {
      tape.collect([&](Stat<T>* dtable) { Backend<D>::modulation_dx(size, slot_stride, dm.data(), dtable, dt, write); },
                   table);
    });
  });
}

}  // namespace modelgrow::inline v0
