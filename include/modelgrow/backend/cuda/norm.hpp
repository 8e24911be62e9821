// SPDX-License-Identifier: MIT
// Layer normalisation with a scale and a shift, from gain and bias or from adaLN modulation; a warp for each row.
#pragma once
#include <modelgrow/backend/cuda/sums.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// The vectors applied to the normalised rows: y = xhat * (base + scale[c]) + shift[c]. Absent vectors count as zero.
template <class T>
struct Affine {
  const T *scale, *shift;
  Stat<T> base;
  Index rows, stride;  // rows that use one vector, elements from one vector to the next

  template <int N, class Dev>
  MODELGROW_DEVICE Values<Stat<T>, N> factors(Dev dev, Index at) const {
    auto values = read_or_zeros<N>(dev, scale, at);
    for (int e = 0; e < N; ++e) values.at[e] += base;
    return values;
  }
  template <int N, class Dev>
  MODELGROW_DEVICE Values<Stat<T>, N> offsets(Dev dev, Index at) const {
    return read_or_zeros<N>(dev, shift, at);
  }

 private:
  template <int N, class Dev>
  MODELGROW_DEVICE static Values<Stat<T>, N> read_or_zeros(Dev dev, const T* from, Index at) {
    return from ? read<N>(dev, from + at) : Values<Stat<T>, N>{};
  }
};

template <class T>
struct Norm {
  using A = Stat<T>;
  Index channels, wide;
  A eps;
  const T* x;
  Affine<T> affine;
  T* y;
  A *mean, *rstd;

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index row) const {
    const T* in = x + row * channels;
    A sum = 0, squares = 0;
    for_row(dev, wide, channels, [&]<int N>(int c, Count<N>) {
      const auto values = read<N>(dev, in + c);
      for (int e = 0; e < N; ++e) sum += values.at[e];
    });
    const A centre = warp_sum(dev, sum) / A(channels);
    for_row(dev, wide, channels, [&]<int N>(int c, Count<N>) {
      const auto values = read<N>(dev, in + c);
      for (int e = 0; e < N; ++e) squares += (values.at[e] - centre) * (values.at[e] - centre);
    });
    const A inverse = A(1) / dev.sqrt(warp_sum(dev, squares) / A(channels) + eps);
    const Index vector = row / affine.rows * affine.stride;
    for_row(dev, wide, channels, [&]<int N>(int c, Count<N>) {
      map<N>(
          dev, [&](A v, A factor, A offset) { return (v - centre) * inverse * factor + offset; },
          y + row * channels + c, read<N>(dev, in + c), affine.template factors<N>(dev, vector + c),
          affine.template offsets<N>(dev, vector + c));
    });
    if (lane(dev) == 0) {
      mean[row] = centre;
      rstd[row] = inverse;
    }
  }
};

/// dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy * factor.
template <class T>
struct NormDx {
  using A = Stat<T>;
  Index channels, wide;
  const T* x;
  Affine<T> affine;
  const A *mean, *rstd;
  const T* dy;
  T* dx;
  Write how;

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index row) const {
    const Index first = row * channels, vector = row / affine.rows * affine.stride;
    const A centre = mean[row], inverse = rstd[row];
    A sum = 0, product = 0;
    for_row(dev, wide, channels, [&]<int N>(int c, Count<N>) {
      const auto v = read<N>(dev, x + first + c), d = read<N>(dev, dy + first + c);
      const auto factor = affine.template factors<N>(dev, vector + c);
      for (int e = 0; e < N; ++e) {
        const A g = d.at[e] * factor.at[e];
        sum += g;
        product += g * (v.at[e] - centre) * inverse;
      }
    });
    const A mean_of_g = warp_sum(dev, sum) / A(channels), share = warp_sum(dev, product) / A(channels);
    for_row(dev, wide, channels, [&]<int N>(int c, Count<N>) {
      const auto before = how == Write::add ? read<N>(dev, dx + first + c) : Values<A, N>{};
      map<N>(
          dev,
          [&](A v, A d, A factor, A old) {
            return old + inverse * (d * factor - mean_of_g - (v - centre) * inverse * share);
          },
          dx + first + c, read<N>(dev, x + first + c), read<N>(dev, dy + first + c),
          affine.template factors<N>(dev, vector + c), before);
    });
  }
};

/// The terms of the gradients of scale and shift: dy xhat, dy.
template <class T>
struct NormTerm {
  static constexpr int sums = 2;
  Index rows, columns;
  const T *dy, *x;
  const Stat<T>*mean, *rstd;
  template <class Dev, int N>
  MODELGROW_DEVICE Values<Stat<T>, 2 * N> operator()(Dev dev, Index g, Index r, Index c, Count<N>) const {
    const Index row = g * rows + r, i = row * columns + c;
    const auto d = read<N>(dev, dy + i), v = read<N>(dev, x + i);
    const Stat<T> centre = mean[row], inverse = rstd[row];
    Values<Stat<T>, 2 * N> values;
    for (int e = 0; e < N; ++e) {
      values.at[e] = d.at[e] * (v.at[e] - centre) * inverse;
      values.at[N + e] = d.at[e];
    }
    return values;
  }
};

template <class Exec>
struct NormOperations {
  template <class T>
  static void norm_modulate(ModulateSize s, double eps, const T* x, const T* m, int shift, int scale, T* y,
                            Stat<T>* mean, Stat<T>* rstd) {
    forward(s.batch * s.tokens, s.channels, eps, x, from_modulation(s, m, shift, scale), y, mean, rstd);
  }
  template <class T>
  static void norm_modulate_dx(ModulateSize s, const T* x, const T* m, int shift, int scale, const Stat<T>* mean,
                               const Stat<T>* rstd, const T* dy, T* dx, Write write, Stat<T>* dm) {
    if (dx) backward(s.batch * s.tokens, s.channels, x, from_modulation(s, m, shift, scale), mean, rstd, dy, dx, write);
    if (!dm) return;
    const ColumnSums size{.groups = s.batch, .rows = s.tokens, .columns = s.channels};
    vector_gradients(size, x, mean, rstd, dy, dm + scale * s.channels, dm + shift * s.channels, s.slots * s.channels);
  }
  template <class T>
  static void layer_norm(Index rows, Index channels, double eps, const T* x, const T* gain, const T* bias, T* y,
                         Stat<T>* mean, Stat<T>* rstd) {
    forward(rows, channels, eps, x, from_vectors(rows, gain, bias), y, mean, rstd);
  }
  template <class T>
  static void layer_norm_dx(Index rows, Index channels, const T* x, const T* gain, const Stat<T>* mean,
                            const Stat<T>* rstd, const T* dy, T* dx, Write write, Stat<T>* dgain, Stat<T>* dbias) {
    if (dx) backward(rows, channels, x, from_vectors(rows, gain, gain), mean, rstd, dy, dx, write);
    vector_gradients(ColumnSums{.groups = 1, .rows = rows, .columns = channels}, x, mean, rstd, dy, dgain, dbias,
                     Index(0));
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
  template <class T>
  static void forward(Index rows, Index channels, double eps, const T* x, const Affine<T>& affine, T* y, Stat<T>* mean,
                      Stat<T>* rstd) {
    Exec::launch(ForEachRow<Norm<T>>{.n = rows,
                                     .row = {.channels = channels,
                                             .wide = wide_columns<T>(channels, {x, affine.scale, affine.shift, y}),
                                             .eps = Stat<T>(eps),
                                             .x = x,
                                             .affine = affine,
                                             .y = y,
                                             .mean = mean,
                                             .rstd = rstd}});
  }
  template <class T>
  static void backward(Index rows, Index channels, const T* x, const Affine<T>& affine, const Stat<T>* mean,
                       const Stat<T>* rstd, const T* dy, T* dx, Write write) {
    Exec::launch(ForEachRow<NormDx<T>>{.n = rows,
                                       .row = {.channels = channels,
                                               .wide = wide_columns<T>(channels, {x, affine.scale, dy, dx}),
                                               .x = x,
                                               .affine = affine,
                                               .mean = mean,
                                               .rstd = rstd,
                                               .dy = dy,
                                               .dx = dx,
                                               .how = write}});
  }
  template <class T>
  static void vector_gradients(ColumnSums size, const T* x, const Stat<T>* mean, const Stat<T>* rstd, const T* dy,
                               Stat<T>* dscale, Stat<T>* dshift, Index stride) {
    if (dscale || dshift)
      add_column_sums<Exec, T>(
          size, {dy, x},
          NormTerm<T>{.rows = size.rows, .columns = size.columns, .dy = dy, .x = x, .mean = mean, .rstd = rstd},
          {{dscale, dshift}, stride, 1});
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
