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

  template <class Dev>
  MODELGROW_DEVICE Stat<T> factor(Dev dev, Index at) const {
    return scale ? base + dev.widen(scale[at]) : base;
  }
  template <class Dev>
  MODELGROW_DEVICE Stat<T> offset(Dev dev, Index at) const {
    return shift ? dev.widen(shift[at]) : Stat<T>(0);
  }
};

template <class T>
struct Norm {
  using A = Stat<T>;
  Index channels;
  A eps;
  const T* x;
  Affine<T> affine;
  T* y;
  A *mean, *rstd;

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index row) const {
    const T* in = x + row * channels;
    A sum = 0;
    for (Index c = lane(dev); c < channels; c += warp_size) sum += dev.widen(in[c]);
    const A centre = warp_sum(dev, sum) / A(channels);
    A squares = 0;
    for (Index c = lane(dev); c < channels; c += warp_size) {
      const A d = dev.widen(in[c]) - centre;
      squares += d * d;
    }
    const A inverse = A(1) / dev.sqrt(warp_sum(dev, squares) / A(channels) + eps);
    const Index vector = row / affine.rows * affine.stride;
    for (Index c = lane(dev); c < channels; c += warp_size) {
      const A xhat = (dev.widen(in[c]) - centre) * inverse;
      y[row * channels + c] =
          dev.template narrow<T>(xhat * affine.factor(dev, vector + c) + affine.offset(dev, vector + c));
    }
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
  Index channels;
  const T* x;
  Affine<T> affine;
  const A *mean, *rstd;
  const T* dy;
  T* dx;
  Write write;

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index row) const {
    const Index first = row * channels, vector = row / affine.rows * affine.stride;
    const A centre = mean[row], inverse = rstd[row];
    A sum = 0, product = 0;
    for (Index c = lane(dev); c < channels; c += warp_size) {
      const A g = dev.widen(dy[first + c]) * affine.factor(dev, vector + c);
      sum += g;
      product += g * (dev.widen(x[first + c]) - centre) * inverse;
    }
    sum = warp_sum(dev, sum) / A(channels);
    product = warp_sum(dev, product) / A(channels);
    for (Index c = lane(dev); c < channels; c += warp_size) {
      const A g = dev.widen(dy[first + c]) * affine.factor(dev, vector + c);
      const A xhat = (dev.widen(x[first + c]) - centre) * inverse;
      put(dev, dx + first + c, inverse * (g - sum - xhat * product), write);
    }
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
    Exec::launch(ForEachRow<Norm<T>>{
        .n = rows,
        .row = {
            .channels = channels, .eps = Stat<T>(eps), .x = x, .affine = affine, .y = y, .mean = mean, .rstd = rstd}});
  }
  template <class T>
  static void backward(Index rows, Index channels, const T* x, const Affine<T>& affine, const Stat<T>* mean,
                       const Stat<T>* rstd, const T* dy, T* dx, Write write) {
    Exec::launch(ForEachRow<NormDx<T>>{.n = rows,
                                       .row = {.channels = channels,
                                               .x = x,
                                               .affine = affine,
                                               .mean = mean,
                                               .rstd = rstd,
                                               .dy = dy,
                                               .dx = dx,
                                               .write = write}});
  }
  template <class T>
  static void vector_gradients(ColumnSums size, const T* x, const Stat<T>* mean, const Stat<T>* rstd, const T* dy,
                               Stat<T>* dscale, Stat<T>* dshift, Index stride) {
    if (dscale)
      add_column_sums<Exec>(
          size,
          NormalisedTerm<T>{.rows = size.rows, .columns = size.columns, .dy = dy, .x = x, .mean = mean, .rstd = rstd},
          dscale, stride, Index(1));
    if (dshift)
      add_column_sums<Exec>(size, ValueTerm<T>{.rows = size.rows, .columns = size.columns, .x = dy}, dshift, stride,
                            Index(1));
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
