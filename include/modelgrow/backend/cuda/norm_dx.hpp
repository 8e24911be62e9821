// SPDX-License-Identifier: MIT
// Backward through a layer normalisation: the gradient of its input and the sums that are those of scale and shift. One
// kernel has both where a row fits the registers of a warp, so that x and dy are read once.
#pragma once
#include <modelgrow/backend/cuda/norm.hpp>
#include <modelgrow/backend/cuda/sums.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// dx = rstd (g - mean(g) - xhat mean(g xhat)), g = dy * factor; a warp for each row.
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

/// Both at once, for rows of at most `most_columns`, eight columns at a time: a block for a part of the rows of a
/// group, a warp for a row, whose x and dy stay in registers beside the sums of the columns of each lane.
/// partial[s, g, part, c] as PartialColumnSums leaves them.
template <class T>
struct NormDxSums {
  using A = Stat<T>;
  static constexpr int threads = 128, warps = threads / warp_size;
  static constexpr int steps = 5, step = warp_size * at_once, most_columns = steps * step;
  static constexpr Index part_rows = 64;
  struct Shared {
    alignas(16) A sums[warps][2][step];
  };
  ColumnSums size;
  const T* x;
  Affine<T> affine;
  const A *mean, *rstd;
  const T* dy;
  T* dx;
  Write how;
  A* partial;
  MODELGROW_HOST_DEVICE Index parts() const { return ceil_div(size.rows, part_rows); }
  MODELGROW_HOST_DEVICE Index blocks() const { return size.groups * parts(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index work = dev.block(); work < blocks(); work += dev.blocks()) {
      const Index g = work / parts(), first = work % parts() * part_rows, end = least(size.rows, first + part_rows);
      Sums sums{};
      for (Index r = first + warp(dev); r < end; r += warps) add_row(dev, g * size.rows + r, sums);
      add_up(dev, shared, work, sums);
    }
  }

 private:
  /// What a lane adds up: dy xhat, dy.
  struct Sums {
    Values<A, at_once> at[2][steps];
  };
  template <class Dev>
  MODELGROW_DEVICE int column(Dev dev, int s) const {
    return s * step + lane(dev) * at_once;
  }
  template <class Dev>
  MODELGROW_DEVICE void add_row(Dev dev, Index row, Sums& sums) const {
    const Index first = row * size.columns, vector = row / affine.rows * affine.stride;
    const A centre = mean[row], inverse = rstd[row];
    Values<A, at_once> xhat[steps], g[steps];
    A sum = 0, product = 0;
    for (int s = 0; s < steps; ++s) {
      const int c = column(dev, s);
      if (c >= size.columns) continue;
      const auto v = read<at_once>(dev, x + first + c), d = read<at_once>(dev, dy + first + c);
      const auto factor = affine.template factors<at_once>(dev, vector + c);
      for (int e = 0; e < at_once; ++e) {
        xhat[s].at[e] = (v.at[e] - centre) * inverse;
        g[s].at[e] = d.at[e] * factor.at[e];
        sum += g[s].at[e];
        product = dev.fma(g[s].at[e], xhat[s].at[e], product);
        sums.at[0][s].at[e] = dev.fma(d.at[e], xhat[s].at[e], sums.at[0][s].at[e]);
        sums.at[1][s].at[e] += d.at[e];
      }
    }
    const A mean_of_g = warp_sum(dev, sum) / A(size.columns), share = warp_sum(dev, product) / A(size.columns);
    for (int s = 0; s < steps; ++s) {
      const int c = column(dev, s);
      if (c >= size.columns) continue;
      const auto before = how == Write::add ? read<at_once>(dev, dx + first + c) : Values<A, at_once>{};
      map<at_once>(
          dev, [&](A xh, A gv, A old) { return dev.fma(inverse, gv - dev.fma(xh, share, mean_of_g), old); },
          dx + first + c, xhat[s], g[s], before);
    }
  }
  /// The sums of a block, of the warps in their order.
  template <class Dev>
  MODELGROW_DEVICE void add_up(Dev dev, Shared& shared, Index work, const Sums& sums) const {
    constexpr int count = Chunk<A>::values;
    for (int s = 0; s < steps; ++s) {
      for (int k = 0; k < 2; ++k)
        for (int e = 0; e < at_once; ++e) shared.sums[warp(dev)][k][lane(dev) * at_once + e] = sums.at[k][s].at[e];
      dev.sync();
      for (int i = int(dev.thread()) * count; i < 2 * step; i += threads * count) {
        const int k = i / step, c = i % step;
        if (s * step + c < size.columns) {
          Values<A, count> all{};
          for (int w = 0; w < warps; ++w) {
            const auto more = read<count>(dev, &shared.sums[w][k][c]);
            for (int e = 0; e < count; ++e) all.at[e] += more.at[e];
          }
          write(dev, partial + (k * blocks() + work) * size.columns + s * step + c, all);
        }
      }
      dev.sync();
    }
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
