// SPDX-License-Identifier: MIT
// Layer normalisation with a scale and a shift, from gain and bias or from adaLN modulation, of rows in memory or of a
// residual sum that is made on the way.
#pragma once
#include <modelgrow/backend/cuda/values.hpp>

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

/// Rows as they lie in memory.
template <class T>
struct StoredRows {
  const T* x;
  template <int N, class Dev>
  MODELGROW_DEVICE Values<Stat<T>, N> first(Dev dev, Index at, Index) const {
    return again<N>(dev, at);
  }
  template <int N, class Dev>
  MODELGROW_DEVICE Values<Stat<T>, N> again(Dev dev, Index at) const {
    return read<N>(dev, x + at);
  }
};
/// Rows that are made on the way: sum = x + gate branch, as GateResidual has it, or x + branch.
template <class T>
struct SummedRows {
  const T *x, *branch, *gate /*?*/;  // gate: the vector of the first batch entry
  T* sum;
  template <int N, class Dev>
  MODELGROW_DEVICE Values<Stat<T>, N> first(Dev dev, Index at, Index vector) const {
    auto values = read<N>(dev, x + at);
    const auto more = read<N>(dev, branch + at);
    Values<Stat<T>, N> factors;
    for (int e = 0; e < N; ++e) factors.at[e] = 1;
    if (gate) factors = read<N>(dev, gate + vector);
    for (int e = 0; e < N; ++e) values.at[e] = dev.fma(factors.at[e], more.at[e], values.at[e]);
    return write(dev, sum + at, values);
  }
  template <int N, class Dev>
  MODELGROW_DEVICE Values<Stat<T>, N> again(Dev dev, Index at) const {
    return read<N>(dev, sum + at);  // each lane what it wrote itself
  }
};

/// y = xhat * factor + offset; a warp for each row.
template <class T, class Rows = StoredRows<T>>
struct Norm {
  using A = Stat<T>;
  Index channels, wide;
  A eps;
  Rows rows;
  Affine<T> affine;
  T* y;
  A *mean, *rstd;

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index row) const {
    const Index begin = row * channels, vector = row / affine.rows * affine.stride;
    A sum = 0, squares = 0;
    for_row(dev, wide, channels, [&]<int N>(int c, Count<N>) {
      const auto values = rows.template first<N>(dev, begin + c, vector + c);
      for (int e = 0; e < N; ++e) sum += values.at[e];
    });
    const A centre = warp_sum(dev, sum) / A(channels);
    for_row(dev, wide, channels, [&]<int N>(int c, Count<N>) {
      const auto values = rows.template again<N>(dev, begin + c);
      for (int e = 0; e < N; ++e) squares += (values.at[e] - centre) * (values.at[e] - centre);
    });
    const A inverse = A(1) / dev.sqrt(warp_sum(dev, squares) / A(channels) + eps);
    for_row(dev, wide, channels, [&]<int N>(int c, Count<N>) {
      map<N>(
          dev, [&](A v, A factor, A offset) { return (v - centre) * inverse * factor + offset; }, y + begin + c,
          rows.template again<N>(dev, begin + c), affine.template factors<N>(dev, vector + c),
          affine.template offsets<N>(dev, vector + c));
    });
    if (lane(dev) == 0) {
      mean[row] = centre;
      rstd[row] = inverse;
    }
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
