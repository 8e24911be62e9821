// SPDX-License-Identifier: MIT
// Sums over rows and over everything: partial sums, then their sum, in an order that is fixed by the sizes and, where
// it is over everything, by which addresses are multiples of 16 bytes.
#pragma once
#include <span>
#include <vector>

#include <modelgrow/backend/cuda/tensor_table.hpp>
#include <modelgrow/backend/cuda/values.hpp>
#include <modelgrow/backend/cuda/waiting_sums.hpp>
#include <modelgrow/core/pool.hpp>
#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// Memory of the device for the length of an operation.
template <class Exec, class A>
auto scratch(Index n) {
  return Tensor<A, typename Exec::Device>(Shape{n}, Exec::Device::pool().allocate(sizeof(A) * std::size_t(n)));
}

/// Terms of column sums: the values at row r of group g from column c on, those of a second sum behind those of the
/// first where the term has `sums`.
template <class T>
struct ValueTerm {  // x
  Index rows, columns;
  const T* x;
  template <class Dev, int N>
  MODELGROW_DEVICE Values<Stat<T>, N> operator()(Dev dev, Index g, Index r, Index c, Count<N>) const {
    return read<N>(dev, x + (g * rows + r) * columns + c);
  }
};
template <class T>
struct ProductTerm {  // a b
  Index rows, columns;
  const T *a, *b;
  template <class Dev, int N>
  MODELGROW_DEVICE Values<Stat<T>, N> operator()(Dev dev, Index g, Index r, Index c, Count<N>) const {
    const Index i = (g * rows + r) * columns + c;
    auto values = read<N>(dev, a + i);
    const auto others = read<N>(dev, b + i);
    for (int e = 0; e < N; ++e) values.at[e] *= others.at[e];
    return values;
  }
};
template <class T>
struct DroppedTerm {  // drop[r] ? x : 0
  Index columns;
  const std::int32_t* drop;
  const T* x;
  template <class Dev, int N>
  MODELGROW_DEVICE Values<Stat<T>, N> operator()(Dev dev, Index, Index r, Index c, Count<N>) const {
    return drop[r] ? read<N>(dev, x + r * columns + c) : Values<Stat<T>, N>{};
  }
};

/// Groups of rows, each summed to one row of columns.
struct ColumnSums {
  static constexpr Index part_rows = 256;
  Index groups, rows, columns;
  MODELGROW_HOST_DEVICE Index parts() const { return ceil_div(rows, part_rows); }
};

template <class Term>
constexpr int sums_of() {
  if constexpr (requires { Term::sums; })
    return Term::sums;
  else
    return 1;
}

/// partial[s, g, part, c] = sum of term(g, r, c) over the rows r of a part; a block for 32 N columns of a part.
template <class A, class Term, int N>
struct PartialColumnSums {
  static constexpr int threads = block_threads;
  static constexpr int warps = threads / warp_size, sums = sums_of<Term>();
  struct Shared {
    A sums[warps][sums_of<Term>() * N][warp_size];
  };
  ColumnSums size;
  Term term;
  A* partial;
  MODELGROW_HOST_DEVICE Index tiles() const { return ceil_div(size.columns, warp_size * N); }
  MODELGROW_HOST_DEVICE Index blocks() const { return size.groups * size.parts() * tiles(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index work = dev.block(); work < blocks(); work += dev.blocks()) {
      const Index c = (work % tiles() * warp_size + lane(dev)) * N, row_part = work / tiles();
      const Index part = row_part % size.parts(), g = row_part / size.parts();
      const Index end = least(size.rows, (part + 1) * ColumnSums::part_rows);
      Values<A, sums * N> sum{};
      if (c < size.columns)
        for (Index r = part * ColumnSums::part_rows + warp(dev); r < end; r += warps) {
          const auto values = term(dev, g, r, c, Count<N>{});
          for (int e = 0; e < sums * N; ++e) sum.at[e] += values.at[e];
        }
      for (int e = 0; e < sums * N; ++e) shared.sums[warp(dev)][e][lane(dev)] = sum.at[e];
      dev.sync();
      if (warp(dev) < sums && c < size.columns) {
        Values<A, N> all{};
        for (int w = 0; w < warps; ++w)
          for (int e = 0; e < N; ++e) all.at[e] += shared.sums[w][warp(dev) * N + e][lane(dev)];
        write(dev, partial + (warp(dev) * size.groups * size.parts() + row_part) * size.columns + c, all);
      }
      dev.sync();
    }
  }
};

/// Begins the sums over the rows of every group of a term that takes N columns at a time.
template <int N, class Term, class Exec, class A>
void begin_column_sums(WaitingSums<Exec, A>& waiting, ColumnSums size, const Term& term, const ColumnSumsOut<A>& to) {
  constexpr int sums = sums_of<Term>();
  auto partial = scratch<Exec, A>(sums * size.groups * size.parts() * size.columns);
  Exec::launch(PartialColumnSums<A, Term, N>{.size = size, .term = term, .partial = partial.data()});
  waiting.take({.sums = sums, .groups = size.groups, .columns = size.columns, .parts = size.parts(), .to = to},
               std::move(partial));
}
/// Of a term whose columns are those of matrices of T at these addresses: eight at a time, or one.
template <class T, class Term, class Exec>
void begin_column_sums(WaitingSums<Exec, Stat<T>>& waiting, ColumnSums size,
                       std::initializer_list<const void*> addresses, const Term& term,
                       const ColumnSumsOut<Stat<T>>& to) {
  if (size.columns % at_once == 0 && wide_columns<T>(size.columns, addresses) > 0)
    begin_column_sums<at_once>(waiting, size, term, to);
  else
    begin_column_sums<1>(waiting, size, term, to);
}
/// The same, and adds them up.
template <class Exec, class T, class Term>
void add_column_sums(ColumnSums size, std::initializer_list<const void*> addresses, const Term& term,
                     const ColumnSumsOut<Stat<T>>& to) {
  WaitingSums<Exec, Stat<T>> sums;
  begin_column_sums<T>(sums, size, addresses, term, to);
  sums.add_up();
}

/// Terms of a sum over everything.
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

/// What the warps of a block share to add up a number of every thread.
struct BlockSum {
  static constexpr int threads = block_threads;
  static constexpr int warps = threads / warp_size;
  double sums[warps];

  /// result(sum) in thread 0; called by all threads.
  template <class Dev, class Result>
  MODELGROW_DEVICE void add_up(Dev dev, double v, Result result) {
    double sum = warp_sum(dev, v);
    if (lane(dev) == 0) sums[warp(dev)] = sum;
    dev.sync();
    if (dev.thread() == 0) {
      for (int w = 1; w < warps; ++w) sum += sums[w];
      result(sum);
    }
    dev.sync();
  }
};

/// sums[part] = or += sum of term(i) over the indices of a part; a block for each part.
template <class Term>
struct PartialSums {
  static constexpr int threads = BlockSum::threads;
  static constexpr Index part_size = 16384;
  using Shared = BlockSum;
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
      shared.add_up(dev, sum, [&](double all) { sums[part] = write == Write::add ? sums[part] + all : all; });
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

/// sums[chunk] = the sum of the squares of a chunk of a tensor; a block for each chunk.
template <class A>
struct SumsOfSquares {
  static constexpr int threads = BlockSum::threads;
  using Shared = BlockSum;
  struct Operand {
    Index size, wide;
    const A* x;
  };
  using Table = TensorTable<Operand, 16384>;
  double* sums;
  Table table;
  MODELGROW_HOST_DEVICE Index blocks() const { return table.chunks(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index chunk = dev.block(); chunk < blocks(); chunk += dev.blocks()) {
      const auto part = table.part(chunk);
      const Operand& tensor = table.tensors[part.tensor];
      double sum = 0;
      for_values(part.begin, tensor.wide, part.end, int(dev.thread()), threads, [&]<int N>(Index i, Count<N>) {
        const auto x = read<N>(dev, tensor.x + i);
        for (int e = 0; e < N; ++e) sum += double(x.at[e]) * double(x.at[e]);
      });
      shared.add_up(dev, sum, [&](double all) { sums[chunk] = all; });
    }
  }
};

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
    add_column_sums<Exec, T>(ColumnSums{.groups = 1, .rows = rows, .columns = columns}, {x},
                             ValueTerm<T>{.rows = rows, .columns = columns, .x = x}, {{sum, nullptr}, 0, 1});
  }
  template <class T>
  static void sum_of_squares(std::span<const std::span<const Stat<T>>> tensors, double* sum) {
    using Kernel = SumsOfSquares<Stat<T>>;
    std::vector<typename Kernel::Operand> operands;
    Index parts = 0;
    for (const auto& x : tensors) {
      const Index size = Index(x.size());
      operands.push_back({.size = size, .wide = wide_values(size, {x.data()}), .x = x.data()});
      parts += Kernel::Table::chunks_of(size);
    }
    const auto partial = scratch<Exec, double>(parts);
    double* next = partial.data();
    Kernel::Table::for_each(operands, [&](const auto& table) {
      Exec::launch(Kernel{.sums = next, .table = table});
      next += table.chunks();
    });
    sum_into<Exec>(parts, PartialTerm{.partial = partial.data()}, sum, Write::add);
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
