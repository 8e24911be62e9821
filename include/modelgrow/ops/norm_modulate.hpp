// SPDX-License-Identifier: MIT
// LayerNorm without gain, then scale and shift by modulation vectors: the entry of every adaLN branch, in one pass.
#pragma once
#include <modelgrow/ops/modulate_size.hpp>

namespace modelgrow::inline v0 {

/// Which slots of a modulation tensor [B, K, C] hold shift and scale.
struct Slots {
  int shift = 0, scale = 1;
};

namespace detail {
/// What the backward pass of norm_modulate needs besides its inputs.
template <class T, Device D>
struct NormMoments {
  Tensor<Stat<T>, D> mean, rstd;
  NormMoments(Tape<T, D>& tape, const ModulateSize& size)
      : mean(tape.template allocate<Stat<T>>({size.batch * size.tokens})),
        rstd(tape.template allocate<Stat<T>>({size.batch * size.tokens})) {}
};
/// y as the result of norm_modulate of x.
template <class T, HasBackend D>
Var<T, D> record_norm_modulate(Tape<T, D>& tape, Tensor<T, D> y, const ModulateSize& size, const Var<T, D>& x,
                               const Var<T, D>& m, Slots slots, const NormMoments<T, D>& kept) {
  return tape.record(std::move(y), {x, m}, [&tape, size, slots, x, m, kept](Tensor<T, D> dy) {
    tape.write(x, [&](T* dx, Write write) {
      tape.collect_later(
          [&](Stat<T>* dm, auto& sums) {
            sums.norm_modulate_dx(size, x.data(), m.data(), slots.shift, slots.scale, kept.mean.data(),
                                  kept.rstd.data(), dy.data(), dx, write, dm);
          },
          m);
    });
  });
}
}  // namespace detail

/// LN(x) * (1 + m[:, scale]) + m[:, shift] for x [B, N, C] (or [B, .., C]) and m [B, K, C]. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> norm_modulate(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& m, Slots slots = {}, double eps = 1e-6) {
  const ModulateSize size = modulate_size("norm_modulate", x, m, {slots.shift, slots.scale});
  Tensor<T, D> y = tape.allocate(x.shape());
  const detail::NormMoments<T, D> kept(tape, size);
  Backend<D>::norm_modulate(size, eps, x.data(), m.data(), slots.shift, slots.scale, y.data(), kept.mean.data(),
                            kept.rstd.data());
  return detail::record_norm_modulate(tape, std::move(y), size, x, m, slots, kept);
}

}  // namespace modelgrow::inline v0
