// SPDX-License-Identifier: MIT
// LayerNorm without gain, then scale and shift by modulation vectors: the entry of every adaLN branch, in one pass.
#pragma once
#include <modelgrow/ops/modulate_size.hpp>

namespace modelgrow::inline v0 {

/// Which slots of a modulation tensor [B, K, C] hold shift and scale.
struct Slots {
  int shift = 0, scale = 1;
};

/// LN(x) * (1 + m[:, scale]) + m[:, shift] for x [B, N, C] (or [B, .., C]) and m [B, K, C]. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> norm_modulate(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& m, Slots slots = {}, double eps = 1e-6) {
  const ModulateSize size = modulate_size("norm_modulate", x, m, {slots.shift, slots.scale});
  Tensor<T, D> y = tape.allocate(x.shape());
  auto mean = tape.template allocate<Stat<T>>({size.batch * size.tokens});
  auto rstd = tape.template allocate<Stat<T>>({size.batch * size.tokens});
  Backend<D>::norm_modulate(size, eps, x.data(), m.data(), slots.shift, slots.scale, y.data(), mean.data(),
                            rstd.data());
  return tape.record(std::move(y), {x, m}, [&tape, size, slots, x, m, mean, rstd](Tensor<T, D> dy) {
    tape.write(x, [&](T* dx, Write write) {
      tape.collect(
          [&](Stat<T>* dm) {
            Backend<D>::norm_modulate_dx(size, x.data(), m.data(), slots.shift, slots.scale, mean.data(), rstd.data(),
                                         dy.data(), dx, write, dm);
          },
          m);
    });
  });
}

}  // namespace modelgrow::inline v0
