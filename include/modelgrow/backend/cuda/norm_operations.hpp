// SPDX-License-Identifier: MIT
// Which kernels of layer normalisation an operation takes.
#pragma once
#include <modelgrow/backend/cuda/norm_dx.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

template <class Exec>
struct NormOperations {
  template <class T>
  static void norm_modulate(ModulateSize s, double eps, const T* x, const T* m, int shift, int scale, T* y,
                            Stat<T>* mean, Stat<T>* rstd) {
    forward(s.batch * s.tokens, s.channels, eps, StoredRows<T>{.x = x}, from_modulation(s, m, shift, scale), y, mean,
            rstd, {x});
  }
  template <class T>
  static void residual_norm_modulate(ModulateSize s, double eps, const T* x, const T* branch, const T* m, int gate,
                                     int shift, int scale, T* sum, T* y, Stat<T>* mean, Stat<T>* rstd) {
    const T* own = gate == no_gate ? nullptr : m + gate * s.channels;
    forward(s.batch * s.tokens, s.channels, eps, SummedRows<T>{.x = x, .branch = branch, .gate = own, .sum = sum},
            from_modulation(s, m, shift, scale), y, mean, rstd, {x, branch, own, sum});
  }
  template <class T>
  static void norm_modulate_dx(ModulateSize s, const T* x, const T* m, int shift, int scale, const Stat<T>* mean,
                               const Stat<T>* rstd, const T* dy, T* dx, Write write, Stat<T>* dm) {
    WaitingSums<Exec, Stat<T>> sums;
    begin_norm_modulate_dx(sums, s, x, m, shift, scale, mean, rstd, dy, dx, write, dm);
    sums.add_up();
  }
  /// The same, but what is added to dm waits.
  template <class T>
  static void begin_norm_modulate_dx(WaitingSums<Exec, Stat<T>>& sums, ModulateSize s, const T* x, const T* m,
                                     int shift, int scale, const Stat<T>* mean, const Stat<T>* rstd, const T* dy, T* dx,
                                     Write write, Stat<T>* dm) {
    backward(
        sums, {.groups = s.batch, .rows = s.tokens, .columns = s.channels}, x, from_modulation(s, m, shift, scale),
        mean, rstd, dy, dx, write,
        {{dm ? dm + scale * s.channels : nullptr, dm ? dm + shift * s.channels : nullptr}, s.slots * s.channels, 1});
  }
  template <class T>
  static void layer_norm(Index rows, Index channels, double eps, const T* x, const T* gain, const T* bias, T* y,
                         Stat<T>* mean, Stat<T>* rstd) {
    forward(rows, channels, eps, StoredRows<T>{.x = x}, from_vectors(rows, gain, bias), y, mean, rstd, {x});
  }
  template <class T>
  static void layer_norm_dx(Index rows, Index channels, const T* x, const T* gain, const Stat<T>* mean,
                            const Stat<T>* rstd, const T* dy, T* dx, Write write, Stat<T>* dgain, Stat<T>* dbias) {
    WaitingSums<Exec, Stat<T>> sums;
    backward(sums, {.groups = 1, .rows = rows, .columns = channels}, x, from_vectors(rows, gain, gain), mean, rstd, dy,
             dx, write, {{dgain, dbias}, 0, 1});
    sums.add_up();
  }

 private:
  template <class T>
  static Affine<T> from_modulation(ModulateSize s, const T* m, int shift, int scale) {
    return {.scale = m + scale * s.channels,
            .shift = m + shift * s.channels,
            .base = Stat<T>(1),
            .rows = s.tokens,
            .stride = s.slots * s.channels};
  }
  template <class T>
  static Affine<T> from_vectors(Index rows, const T* gain, const T* bias) {
    return {.scale = gain, .shift = bias, .base = Stat<T>(gain ? 0 : 1), .rows = rows, .stride = 0};
  }
  template <class T, class Rows>
  static void forward(Index rows, Index channels, double eps, const Rows& input, const Affine<T>& affine, T* y,
                      Stat<T>* mean, Stat<T>* rstd, std::initializer_list<const void*> addresses) {
    const Index wide =
        least(wide_columns<T>(channels, addresses), wide_columns<T>(channels, {affine.scale, affine.shift, y}));
    Exec::launch(ForEachRow<Norm<T, Rows>>{.n = rows,
                                           .row = {.channels = channels,
                                                   .wide = wide,
                                                   .eps = Stat<T>(eps),
                                                   .rows = input,
                                                   .affine = affine,
                                                   .y = y,
                                                   .mean = mean,
                                                   .rstd = rstd}});
  }
  /// The sums go to dscale, dshift; each may be null.
  template <class T>
  static void backward(WaitingSums<Exec, Stat<T>>& waiting, ColumnSums size, const T* x, const Affine<T>& affine,
                       const Stat<T>* mean, const Stat<T>* rstd, const T* dy, T* dx, Write write,
                       const ColumnSumsOut<Stat<T>>& to) {
    const bool sums = to.out[0] || to.out[1];
    const Index wide = wide_columns<T>(size.columns, {x, affine.scale, dy, dx});
    if (dx && sums && wide == size.columns && wide <= NormDxSums<T>::most_columns)
      return backward_at_once(waiting, size, x, affine, mean, rstd, dy, dx, write, to);
    if (dx)
      Exec::launch(ForEachRow<NormDx<T>>{.n = size.groups * size.rows,
                                         .row = {.channels = size.columns,
                                                 .wide = wide,
                                                 .x = x,
                                                 .affine = affine,
                                                 .mean = mean,
                                                 .rstd = rstd,
                                                 .dy = dy,
                                                 .dx = dx,
                                                 .how = write}});
    if (sums)
      begin_column_sums<T>(
          waiting, size, {dy, x},
          NormTerm<T>{.rows = size.rows, .columns = size.columns, .dy = dy, .x = x, .mean = mean, .rstd = rstd}, to);
  }
  template <class T>
  static void backward_at_once(WaitingSums<Exec, Stat<T>>& waiting, ColumnSums size, const T* x,
                               const Affine<T>& affine, const Stat<T>* mean, const Stat<T>* rstd, const T* dy, T* dx,
                               Write write, const ColumnSumsOut<Stat<T>>& to) {
    NormDxSums<T> kernel{.size = size,
                         .x = x,
                         .affine = affine,
                         .mean = mean,
                         .rstd = rstd,
                         .dy = dy,
                         .dx = dx,
                         .how = write,
                         .partial = nullptr};
    auto partial = scratch<Exec, Stat<T>>(2 * kernel.blocks() * size.columns);
    kernel.partial = partial.data();
    Exec::launch(kernel);
    waiting.take({.sums = 2, .groups = size.groups, .columns = size.columns, .parts = kernel.parts(), .to = to},
                 std::move(partial));
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
