// SPDX-License-Identifier: MIT
// What each kernel reads from and writes to memory, every value once: what caches do not save. A kernel that is not
// here does not compile on the counting device (counted.hpp); tables and vectors much smaller than the rest count 0.
#pragma once
#include <modelgrow/backend/cuda/operations.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

template <class T>
inline constexpr double size_of = sizeof(T);
template <class T>
inline constexpr double statistic = sizeof(Stat<T>);

// Bytes of one index of ForEach.
template <class T, class F>
double bytes_each(const Activate<T, F>&) {
  return 2 * size_of<T>;
}
template <class T, class F>
double bytes_each(const ActivateDx<T, F>&) {
  return 3 * size_of<T>;
}
template <class T>
double bytes_each(const Add<T>&) {
  return 3 * size_of<T>;
}
template <class T>
double bytes_each(const Fill<T>&) {
  return size_of<T>;
}
template <class T>
double bytes_each(const Lerp<T>&) {
  return 3 * size_of<T>;
}
template <class T>
double bytes_each(const Axpy<T>&) {
  return 3 * size_of<T>;
}
template <class T>
double bytes_each(const Collect<T>&) {
  return size_of<T> + 2 * statistic<T>;
}
template <class T>
double bytes_each(const Narrow<T>&) {
  return size_of<T> + statistic<T>;
}
template <class T>
double bytes_each(const Broadcast<T>&) {
  return size_of<T>;
}
template <class T>
double bytes_each(const Modulation<T>&) {
  return 3 * size_of<T>;
}
template <class T>
double bytes_each(const ModulationDtables<T>& k) {
  return double(k.batch) * size_of<T> + 2 * statistic<T>;
}
template <class T>
double bytes_each(const ModulationDt<T>& k) {
  return double(k.copies + (k.how == Write::add ? 2 : 1)) * size_of<T>;
}
template <class T>
double bytes_each(const TimeFeatures<T>&) {
  return size_of<T>;
}
template <class T>
double bytes_each(const ReplaceDropped<T>&) {
  return 2 * size_of<T>;
}
template <class T>
double bytes_each(const ReplaceDroppedDx<T>&) {
  return 2 * size_of<T>;
}
template <class T>
double bytes_each(const DepthwiseConv<T>&) {
  return 2 * size_of<T>;
}
template <class T, int taps>
double bytes_each(const SlidingConv<T, taps>& k) {
  return 2 * double(k.size.frames) * sizeof(Chunk<T>);
}
template <class A>
double bytes_each(const AddConvParts<A>& k) {
  return double(k.parts + 2) * size_of<A>;
}
template <class T>
double bytes_each(const TapsFirst<T>& k) {
  return double(k.kernel) * 2 * size_of<T>;
}
template <class A>
double bytes_each(const AddTaps<A>& k) {
  return double(k.kernel) * 3 * size_of<A>;
}
template <class T>
double bytes_each(const RoundSums<T>&) {
  return statistic<T> + size_of<T>;
}
template <class T>
double bytes_each(const Patchify<T>&) {
  return 2 * size_of<T>;
}
template <class T>
double bytes_each(const Unpatchify<T>&) {
  return 2 * size_of<T>;
}
template <class T>
double bytes_each(const ScaledResult<T>&) {
  return 0;
}
template <class T>
double bytes_each(const MseDx<T>&) {
  return 3 * size_of<T>;
}
template <class A>
double bytes_each(const Clipping<A>&) {
  return 0;
}
template <class T>
double bytes_each(const HeadGate<T>&) {
  return 2 * size_of<T>;
}
template <class T>
double bytes_each(const HeadGateDgate<T>&) {
  return 0;
}
template <class T>
double bytes_each(const Embedding<T>&) {
  return 2 * size_of<T>;
}
template <class T>
double bytes_each(const MaskedMean<T>& k) {
  return double(k.tokens) * size_of<T>;
}
template <class T>
double bytes_each(const MaskedMeanDx<T>&) {
  return size_of<T>;
}

template <int dim>
double bytes_each(const AttentionMmaSumParts<dim>& k) {
  return 8 * (double(k.parts) * size_of<float> + size_of<bf16>);
}

// Bytes of one row of ForEachRow.
template <class T>
double bytes_each(const AddTable<T>& k) {
  return 2 * double(k.channels) * size_of<T>;
}
template <class T>
double bytes_each(const GateResidual<T>& k) {
  return 3 * double(k.channels) * size_of<T>;
}
template <class T>
double bytes_each(const GateResidualDbranch<T>& k) {
  return 2 * double(k.channels) * size_of<T>;
}
template <class T>
double bytes_each(const Norm<T>& k) {
  return 2 * double(k.channels) * size_of<T> + 2 * statistic<T>;
}
template <class T>
double bytes_each(const Norm<T, SummedRows<T>>& k) {
  return 4 * double(k.channels) * size_of<T> + 2 * statistic<T>;
}
template <class T>
double bytes_each(const NormDx<T>& k) {
  return (k.how == Write::add ? 4 : 3) * double(k.channels) * size_of<T> + 2 * statistic<T>;
}
template <class T>
double bytes_each(const AttentionDelta<T>& k) {
  return 2 * double(k.size.head_dim) * size_of<T> + statistic<T>;
}

template <int dim, int tiles>
double bytes_each(const TemporalAttention<dim, tiles>& k) {
  return 2 * dim * size_of<bf16> * double(k.size.queries + k.size.keys) + size_of<float> * double(k.size.queries);
}
template <int dim, int tiles>
double bytes_each(const TemporalAttentionDx<dim, tiles>& k) {
  return 4 * dim * size_of<bf16> * double(k.size.queries + k.size.keys) + size_of<float> * double(k.size.queries);
}
template <class T>
double bytes_each(const JoinAttention<T>& k) {
  return 3 * double(k.size.head_dim) * size_of<T> + 4 * statistic<T>;
}

// Bytes of one term of a sum.
template <class T>
double bytes_each(const ValueTerm<T>&) {
  return size_of<T>;
}
template <class T>
double bytes_each(const ProductTerm<T>&) {
  return 2 * size_of<T>;
}
template <class T>
double bytes_each(const NormTerm<T>&) {
  return 2 * size_of<T>;
}
template <class T>
double bytes_each(const GateResidualDx<T>& k) {
  return (k.to.dbranch ? 3 : 2) * size_of<T>;
}
template <class T>
double bytes_each(const DroppedTerm<T>&) {
  return size_of<T>;
}
template <class T>
double bytes_each(const DepthwiseTapTerm<T>&) {
  return 2 * size_of<T>;
}
template <class T>
double bytes_each(const SquaredErrorTerm<T>&) {
  return 2 * size_of<T>;
}
inline double bytes_each(const PartialTerm&) { return size_of<double>; }

template <class Element>
double bytes_of(const ForEach<Element>& k) {
  return double(k.n) * bytes_each(k.element);
}
template <class Element>
double bytes_of(const ForEachValue<Element>& k) {
  return double(k.n) * bytes_each(k.element);
}
template <class Row, int threads>
double bytes_of(const ForEachRow<Row, threads>& k) {
  return double(k.n) * bytes_each(k.row);
}
template <class Term>
double bytes_of(const PartialSums<Term>& k) {
  return double(k.n) * bytes_each(k.term);
}
template <class A, class Term, int columns>
double bytes_of(const PartialColumnSums<A, Term, columns>& k) {
  const double sums = double(k.size.groups * k.size.columns);
  return sums * (double(k.size.rows) * bytes_each(k.term) + k.sums * double(k.size.parts()) * size_of<A>);
}
template <class A>
double bytes_of(const AddColumnSums<A>& k) {
  double values = 0;
  for (int i = 0; i < k.table.count; ++i) {
    const auto& sum = k.table.tensors[i];
    values += double(sum.sums * sum.groups * sum.columns) * double(sum.parts + 2);
  }
  return values * size_of<A>;
}
template <class T>
double bytes_of(const NormDxSums<T>& k) {
  const double rows = double(k.size.groups * k.size.rows), columns = double(k.size.columns);
  return rows * ((k.how == Write::add ? 4 : 3) * columns * size_of<T> + 2 * statistic<T>)+2 * double(k.blocks()) *
         columns * statistic<T>;
}
template <class A>
double bytes_of(const CollectAll<A>& k) {
  double values = 0;
  for (int i = 0; i < k.table.count; ++i) values += double(k.table.tensors[i].size);
  return 3 * values * size_of<A>;
}
template <class A>
double bytes_of(const SumsOfSquares<A>& k) {
  double values = 0;
  for (int i = 0; i < k.table.count; ++i) values += double(k.table.tensors[i].size);
  return values * size_of<A>;
}
/// Gradient and moments, the weights (in 16 bits beside those in float), and the average.
template <class T>
double bytes_of(const AdamW<T>& k) {
  double bytes = 0;
  for (int i = 0; i < k.table.count; ++i) {
    const auto& t = k.table.tensors[i];
    const double weights = t.master ? 2 * statistic<T> + size_of<T> : 2 * size_of<T>;
    bytes += double(t.size) * (6 * statistic<T> + weights + (t.average ? 2 * statistic<T> : 0));
  }
  return bytes;
}
template <class T, int taps>
double bytes_of(const SlidingConvDx<T, taps>& k) {
  const double columns = double(k.size.clips) * k.size.frames * k.size.frame, sums = k.partial ? taps + 1 : 0;
  return (1 + (k.x ? 1 : 0) + (k.dx ? 1 : 0)) * columns * sizeof(Chunk<T>) +
         sums * double(k.parts.count() * k.size.channels * Chunk<T>::values) * statistic<T>;
}
template <class T>
double bytes_of(const EmbeddingDx<T>& k) {
  return double(k.n * k.width) * (size_of<T> + 2 * statistic<T>);
}
/// Attention with `of_queries` arrays of queries' size and `of_keys` of keys'.
template <class T>
double attention_bytes(const AttentionSize& s, int of_queries, int of_keys) {
  return double(attention_problems(s) * s.head_dim) * size_of<T> *
         (of_queries * double(s.queries) + of_keys * double(s.keys));
}
template <class T, int dim>
double bytes_of(const Attention<T, dim>& k) {
  return attention_bytes<T>(k.size, 2, 2);
}
template <class T, int dim>
double bytes_of(const AttentionDq<T, dim>& k) {
  return attention_bytes<T>(k.in.size, 3, 2);
}
template <class T, int dim>
double bytes_of(const AttentionDkv<T, dim>& k) {
  return attention_bytes<T>(k.in.size, 2, 4);
}
template <int dim>
double bytes_of(const AttentionMma<dim>& k) {
  return attention_bytes<bf16>(k.size, 2, 2);
}
template <int dim>
double bytes_of(const AttentionMmaDq<dim>& k) {
  return attention_bytes<bf16>(k.in.size, 4, 2);
}
template <int dim>
double bytes_of(const AttentionMmaDkv<dim>& k) {  // the parts of the queries each leave their sums in float
  const double parts = double(k.parts.count());
  return attention_bytes<bf16>(k.in.size, 2, 2) +
         (parts > 1 ? parts * attention_bytes<float>(k.in.size, 0, 2) : attention_bytes<bf16>(k.in.size, 0, 2));
}
template <ConvDirection direction>
double bytes_of(const DenseConvMma<direction>& k) {
  return (double(k.tokens) * (k.inner + k.columns) + double(k.taps) * k.inner * k.columns) * size_of<bf16>;
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
