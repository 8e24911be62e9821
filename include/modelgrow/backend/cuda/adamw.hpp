// SPDX-License-Identifier: MIT
// AdamW on all tensors of a model in one pass over weights, gradients, moments and averages; 16-bit weights follow
// master weights in float. The clipping factor stays on the device, so that a step waits for nothing.
#pragma once
#include <span>
#include <vector>

#include <modelgrow/backend/cuda/tensor_table.hpp>
#include <modelgrow/backend/cuda/values.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// scale[0] = longest / norm where the norm is above it, else 1; no number where it is none.
template <class A>
struct Clipping {
  double longest;
  const double* sum;
  A* scale;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index) const {
    const double square = sum[0], nothing = square - square;  // 0, or no number
    const double norm = nothing == 0 ? dev.sqrt(square) : nothing;
    scale[0] = A(norm > longest ? longest / (norm + 1e-6) : 1 + nothing);
  }
};

/// A tensor of the table, with what its step comes to.
template <class T>
struct AdamWTensor {
  using A = Stat<T>;
  Index size, wide, columns;
  A step, eps, keep, inverse_correction2;  // step: lr / correction1, keep: 1 - decay
  const A *lr_columns, *eps_rows;
  T* w;
  A *master, *gradient, *m, *v, *average;

  static AdamWTensor of(const AdamWUpdate<T>& u) {
    const Index size = u.rows * u.columns;
    return {.size = size,
            .wide = wide_values(size, {u.w, u.master, u.gradient, u.m, u.v, u.average}),
            .columns = u.columns,
            .step = A(u.lr / u.correction1),
            .eps = A(u.eps),
            .keep = A(1.0 - u.decay),
            .inverse_correction2 = A(1.0 / u.correction2),
            .lr_columns = u.lr_columns,
            .eps_rows = u.eps_rows,
            .w = u.w,
            .master = u.master,
            .gradient = u.gradient,
            .m = u.m,
            .v = u.v,
            .average = u.average};
  }
};

/// A block for each chunk of a tensor.
template <class T>
struct AdamW {
  using A = Stat<T>;
  using Table = TensorTable<AdamWTensor<T>, 8192>;
  static constexpr int threads = block_threads;
  using Shared = NoShared;
  A beta1, beta2, average_rate;
  const A* scale;
  Table table;
  MODELGROW_HOST_DEVICE Index blocks() const { return table.chunks(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared&) const {
    const A factor = scale[0];
    if (factor != factor) return;
    for (Index chunk = dev.block(); chunk < blocks(); chunk += dev.blocks()) {
      const auto part = table.part(chunk);
      const AdamWTensor<T> tensor = table.tensors[part.tensor];
      for_values(part.begin, tensor.wide, part.end, int(dev.thread()), threads,
                 [&]<int N>(Index i, Count<N>) { update<N>(dev, tensor, factor, i); });
    }
  }

 private:
  template <int N, class Dev>
  MODELGROW_DEVICE void update(Dev dev, const AdamWTensor<T>& t, A factor, Index i) const {
    auto gradient = read<N>(dev, t.gradient + i), m = read<N>(dev, t.m + i), v = read<N>(dev, t.v + i);
    auto w = t.master ? read<N>(dev, t.master + i) : read<N>(dev, t.w + i);
    Values<A, N> rate, floor;
    for (int e = 0; e < N; ++e) rate.at[e] = t.step, floor.at[e] = t.eps;
    if (t.lr_columns || t.eps_rows) multiply(t, i, rate, floor);
    for (int e = 0; e < N; ++e) {
      const A g = gradient.at[e] * factor;
      m.at[e] = beta1 * m.at[e] + (A(1) - beta1) * g;
      v.at[e] = beta2 * v.at[e] + (A(1) - beta2) * g * g;
      w.at[e] = t.keep * w.at[e] - rate.at[e] * m.at[e] / (dev.sqrt(v.at[e] * t.inverse_correction2) + floor.at[e]);
      gradient.at[e] = 0;
    }
    write(dev, t.gradient + i, gradient);
    write(dev, t.m + i, m);
    write(dev, t.v + i, v);
    if (t.master) write(dev, t.master + i, w);
    write(dev, t.w + i, w);
    if (!t.average) return;
    auto average = read<N>(dev, t.average + i);
    for (int e = 0; e < N; ++e) average.at[e] += average_rate * (w.at[e] - average.at[e]);
    write(dev, t.average + i, average);
  }
  /// The multipliers of columns and rows, for the values from i on.
  template <int N>
  MODELGROW_DEVICE static void multiply(const AdamWTensor<T>& t, Index i, Values<A, N>& rate, Values<A, N>& floor) {
    Index row = i / t.columns, column = i % t.columns;
    for (int e = 0; e < N; ++e) {
      if (t.lr_columns) rate.at[e] *= t.lr_columns[column];
      if (t.eps_rows) floor.at[e] *= t.eps_rows[row];
      if (++column == t.columns) column = 0, ++row;
    }
  }
};

template <class Exec>
struct AdamWOperations {
  template <class T>
  static void clipping(double longest, const double* sum, Stat<T>* scale) {
    Exec::launch(ForEach<Clipping<Stat<T>>>{.n = 1, .element = {.longest = longest, .sum = sum, .scale = scale}});
  }
  template <class T>
  static void adamw(const AdamWStep& step, const Stat<T>* scale, std::span<const AdamWUpdate<T>> updates) {
    using A = Stat<T>;
    std::vector<AdamWTensor<T>> tensors;
    for (const auto& u : updates) tensors.push_back(AdamWTensor<T>::of(u));
    AdamW<T>::Table::for_each(tensors, [&](const auto& table) {
      Exec::launch(AdamW<T>{.beta1 = A(step.beta1),
                            .beta2 = A(step.beta2),
                            .average_rate = A(step.average_rate),
                            .scale = scale,
                            .table = table});
    });
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
