// SPDX-License-Identifier: MIT
// Sums over rows and over everything, in an order that is fixed by the sizes alone: partial sums, then their sum.
#pragma once
#include <modelgrow/backend/cuda/kernel.hpp>
#include <modelgrow/core/pool.hpp>
#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// Memory of the device for the length of an operation.
template <class Exec, class A>
auto scratch(Index n) {
  return Tensor<A, typename Exec::Device>(Shape{n}, Exec::Device::pool().allocate(sizeof(A) * std::size_t(n)));
}

/// Terms of a column sum: the value at row r of group g and column c.
template <class T>
struct ValueTerm {  // x
  Index rows, columns;
  const T* x;
  template <class Dev>
  MODELGROW_DEVICE Stat<T> operator()(Dev dev, Index g, Index r, Index c) const {
    return dev.widen(x[(g * rows + r) * columns + c]);
  }
};
template <class T>
struct ProductTerm {  // a b
  Index rows, columns;
  const T *a, *b;
  template <class Dev>
  MODELGROW_DEVICE Stat<T> operator()(Dev dev, Index g, Index r, Index c) const {
    const Index i = (g * rows + r) * columns + c;
    return dev.widen(a[i]) * dev.widen(b[i]);
  }
};
template <class T>
struct NormalisedTerm {  // dy xhat
  Index rows, columns;
  const T *dy, *x;
  const Stat<T>*mean, *rstd;
  template <class Dev>
  MODELGROW_DEVICE Stat<T> operator()(Dev dev, Index g, Index r, Index c) const {
    const Index row = g * rows + r, i = row * columns + c;
    return dev.widen(dy[i]) * (dev.widen(x[i]) - mean[row]) * rstd[row];
  }
};
template <class T>
struct DroppedTerm {  // drop[r] ? x : 0
  Index columns;
  const std::int32_t* drop;
  const T* x;
  template <class Dev>
  MODELGROW_DEVICE Stat<T> operator()(Dev dev, Index, Index r, Index c) const {
    return drop[r] ? dev.widen(x[r * columns + c]) : Stat<T>(0);
  }
};

/// Groups of rows, each summed to one row of columns.
struct ColumnSums {
  static constexpr Index part_rows = 512;
  Index groups, rows, columns;
  MODELGROW_HOST_DEVICE Index parts() const { return ceil_div(rows, part_rows); }
  MODELGROW_HOST_DEVICE Index tiles() const { return ceil_div(columns, warp_size); }
};

/// partial[g, part, c] = sum of term(g, r, c) over the rows r of a part; a block for 32 columns of a part.
template <class A, class Term>
struct PartialColumnSums {
  static constexpr int threads = block_threads;
  static constexpr int warps = threads / warp_size;
  struct Shared {
    A sums[warps][warp_size];
  };
  ColumnSums size;
  Term term;
  A* partial;
  MODELGROW_HOST_DEVICE Index blocks() const { return size.groups * size.parts() * size.tiles(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index work = dev.block(); work < blocks(); work += dev.blocks()) {
      const Index c = work % size.tiles() * warp_size + lane(dev), row_part = work / size.tiles();
      const Index part = row_part % size.parts(), g = row_part / size.parts();
      const Index end = least(size.rows, (part + 1) * ColumnSums::part_rows);
      A sum = 0;
      if (c < size.columns)
        for (Index r = part * ColumnSums::part_rows + warp(dev); r < end; r += warps) sum += term(dev, g, r, c);
      shared.sums[warp(dev)][lane(dev)] = sum;
      dev.sync();
      if (warp(dev) == 0 && c < size.columns) {
        for (int w = 1; w < warps; ++w) sum += shared.sums[w][lane(dev)];
        partial[row_part * size.columns + c] = sum;
      }
      dev.sync();
    }
  }
};

/// out[g * group_stride + c * column_stride] += sum_part partial[g, part, c].
template <class A>
struct AddColumnSums {
  Index columns, parts, group_stride, column_stride;
  const A* partial;
  A* out;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev, Index i) const {
    const Index g = i / columns, c = i % columns;
    A sum = 0;
    for (Index part = 0; part < parts; ++part) sum += partial[(g * parts + part) * columns + c];
    out[g * group_stride + c * column_stride] += sum;
  }
};

/// out[g * group_stride + c * column_stride] += sum over the rows r of group g of term(g, r, c).
template <class Exec, class Term, class A>
void add_column_sums(ColumnSums size, const Term& term, A* out, Index group_stride, Index column_stride) {
  const auto partial = scratch<Exec, A>(size.groups * size.parts() * size.columns);
  Exec::launch(PartialColumnSums<A, Term>{.size = size, .term = term, .partial = partial.data()});
  Exec::launch(ForEach<AddColumnSums<A>>{.n = size.groups * size.columns,
                                         .element = {.columns = size.columns,
                                                     .parts = size.parts(),
                                                     .group_stride = group_stride,
                                                     .column_stride = column_stride,
                                                     .partial = partial.data(),
                                                     .out = out}});
}

/// Terms of a sum over everything.
template <class T>
struct SquareTerm {
  const T* x;
  template <class Dev>
  MODELGROW_DEVICE double operator()(Dev dev, Index i) const {
    const double v = dev.widen(x[i]);
    return v * v;
  }
};
template <class T>
struct SquaredErrorTerm {
  const T *prediction, *target;
  template <class Dev>
  MODELGROW_DEVICE double operator()(Dev dev, Index i) const {
    const double d = double(dev.widen(prediction[i])) - double(dev.widen(target[i]));
    return d * d;
  }
};
struct PartialTerm {
  const double* partial;
  template <class Dev>
  MODELGROW_DEVICE double operator()(Dev, Index i) const {
    return partial[i];
  }
};

/// sums[part] = or += sum of term(i) over the indices of a part; a block for each part.
template <class Term>
struct PartialSums {
  static constexpr int threads = block_threads;
  static constexpr int warps = threads / warp_size;
  static constexpr Index part_size = 16384;
  struct Shared {
    double sums[warps];
  };
  Index n;
  Term term;
  double* sums;
  Write write;
  Index blocks() const { return ceil_div(n, part_size); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index part = dev.block(); part * part_size < n; part += dev.blocks()) {
      const Index end = least(n, (part + 1) * part_size);
      double sum = 0;
      for (Index i = part * part_size + dev.thread(); i < end; i += threads) sum += term(dev, i);
      sum = warp_sum(dev, sum);
      if (lane(dev) == 0) shared.sums[warp(dev)] = sum;
      dev.sync();
      if (dev.thread() == 0) {
        for (int w = 1; w < warps; ++w) sum += shared.sums[w];
        sums[part] = write == Write::add ? sums[part] + sum : sum;
      }
      dev.sync();
    }
  }
};

/// sum[0] = or += the sum of term(i) over i in [0, n).
template <class Exec, class Term>
void sum_into(Index n, const Term& term, double* sum, Write write) {
  const Index parts = ceil_div(n, PartialSums<Term>::part_size);
  if (parts <= 1) {
    Exec::launch(PartialSums<Term>{.n = n, .term = term, .sums = sum, .write = write});
    return;
  }
  const auto partial = scratch<Exec, double>(parts);
  Exec::launch(PartialSums<Term>{.n = n, .term = term, .sums = partial.data(), .write = Write::overwrite});
  sum_into<Exec>(parts, PartialTerm{.partial = partial.data()}, sum, write);
}

/// to[0] = from[0] * factor.
template <class T>
struct ScaledResult {
  double factor;
  const double* from;
  T* to;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index) const {
    to[0] = dev.template narrow<T>(Stat<T>(from[0] * factor));
  }
};

/// The gradient of mean (p - t)^2 over n values.
template <class T>
struct MseDx {
  Index n;
  const T *prediction, *target, *dloss;
  T* dprediction;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Stat<T> factor = Stat<T>(2) * dev.widen(dloss[0]) / Stat<T>(n);
    dprediction[i] = dev.template narrow<T>(factor * (dev.widen(prediction[i]) - dev.widen(target[i])));
  }
};

template <class Exec>
struct SumOperations {
  template <class T>
  static void column_sum(Index rows, Index columns, const T* x, Stat<T>* sum) {
    add_column_sums<Exec>(ColumnSums{.groups = 1, .rows = rows, .columns = columns},
                          ValueTerm<T>{.rows = rows, .columns = columns, .x = x}, sum, Index(0), Index(1));
  }
  template <class T>
  static void sum_of_squares(Index n, const T* x, double* sum) {
    sum_into<Exec>(n, SquareTerm<T>{.x = x}, sum, Write::add);
  }
  template <class T>
  static void mse(Index n, const T* prediction, const T* target, T* loss) {
    const auto sum = scratch<Exec, double>(1);
    sum_into<Exec>(n, SquaredErrorTerm<T>{.prediction = prediction, .target = target}, sum.data(), Write::overwrite);
    Exec::launch(
        ForEach<ScaledResult<T>>{.n = 1, .element = {.factor = 1.0 / double(n), .from = sum.data(), .to = loss}});
  }
  template <class T>
  static void mse_dx(Index n, const T* prediction, const T* target, const T* dloss, T* dprediction) {
    Exec::launch(ForEach<MseDx<T>>{
        .n = n,
        .element = {.n = n, .prediction = prediction, .target = target, .dloss = dloss, .dprediction = dprediction}});
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
