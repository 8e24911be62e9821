// SPDX-License-Identifier: MIT
// Kernels in which every value of the result follows from those at its place.
#pragma once
#include <initializer_list>
#include <span>
#include <vector>

#include <modelgrow/backend/cuda/tensor_table.hpp>
#include <modelgrow/backend/cuda/values.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// x / (1 + exp(-x)).
struct Silu {
  template <class Dev, class A>
  MODELGROW_DEVICE A value(Dev dev, A x) const {
    return x / (A(1) + dev.exp(-x));
  }
  template <class Dev, class A>
  MODELGROW_DEVICE A derivative(Dev dev, A x) const {
    const A s = A(1) / (A(1) + dev.exp(-x));
    return s * (A(1) + x * (A(1) - s));
  }
};

/// x/2 (1 + tanh u) = x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3) (Hendrycks & Gimpel 2016); the second form
/// keeps the relative accuracy of the left tail.
struct GeluTanh {
  static constexpr double slope = 2 * 0.79788456080286535588, cubic = 0.044715;
  template <class Dev, class A>
  MODELGROW_DEVICE A value(Dev dev, A x) const {
    return x / (A(1) + dev.exp(-A(slope) * x * (A(1) + A(cubic) * x * x)));
  }
  template <class Dev, class A>
  MODELGROW_DEVICE A derivative(Dev dev, A x) const {
    const A s = A(1) / (A(1) + dev.exp(-A(slope) * x * (A(1) + A(cubic) * x * x)));
    return s * (A(1) + x * (A(1) - s) * A(slope) * (A(1) + A(3 * cubic) * x * x));
  }
};

template <class T, class Function>
struct Activate {
  const T* x;
  T* y;
  template <class Dev, int N>
  MODELGROW_DEVICE void operator()(Dev dev, Index i, Count<N>) const {
    map<N>(
        dev, [&](auto v) { return Function{}.value(dev, v); }, y + i, read<N>(dev, x + i));
  }
};
template <class T, class Function>
struct ActivateDx {
  const T *x, *dy;
  T* dx;
  template <class Dev, int N>
  MODELGROW_DEVICE void operator()(Dev dev, Index i, Count<N>) const {
    map<N>(
        dev, [&](auto g, auto v) { return g * Function{}.derivative(dev, v); }, dx + i, read<N>(dev, dy + i),
        read<N>(dev, x + i));
  }
};

template <class T>
struct Add {
  const T *a, *b;
  T* y;
  template <class Dev, int N>
  MODELGROW_DEVICE void operator()(Dev dev, Index i, Count<N>) const {
    map<N>(
        dev, [](auto v, auto w) { return v + w; }, y + i, read<N>(dev, a + i), read<N>(dev, b + i));
  }
};
template <class T>
struct Fill {
  T value;
  T* y;
  template <class Dev, int N>
  MODELGROW_DEVICE void operator()(Dev dev, Index i, Count<N>) const {
    map<N>(
        dev, [&] { return dev.widen(value); }, y + i);
  }
};
/// y += weight * (x - y).
template <class T>
struct Lerp {
  Stat<T> weight;
  const T* x;
  T* y;
  template <class Dev, int N>
  MODELGROW_DEVICE void operator()(Dev dev, Index i, Count<N>) const {
    map<N>(
        dev, [&](auto v, auto to) { return v + weight * (to - v); }, y + i, read<N>(dev, y + i), read<N>(dev, x + i));
  }
};
/// y += factor * x.
template <class T>
struct Axpy {
  Stat<T> factor;
  const T* x;
  T* y;
  template <class Dev, int N>
  MODELGROW_DEVICE void operator()(Dev dev, Index i, Count<N>) const {
    map<N>(
        dev, [&](auto v, auto w) { return v + factor * w; }, y + i, read<N>(dev, y + i), read<N>(dev, x + i));
  }
};

/// sum += x.
template <class T>
struct Collect {
  const T* x;
  Stat<T>* sum;
  template <class Dev, int N>
  MODELGROW_DEVICE void operator()(Dev dev, Index i, Count<N>) const {
    map<N>(
        dev, [](auto v, auto w) { return v + w; }, sum + i, read<N>(dev, sum + i), read<N>(dev, x + i));
  }
};
/// The same for many tensors; a block for each chunk.
template <class A>
struct CollectAll {
  static constexpr int threads = block_threads;
  using Shared = NoShared;
  struct Operand {
    Index size, wide;
    const A* x;
    A* sum;
  };
  using Table = TensorTable<Operand, 8192>;
  Table table;
  MODELGROW_HOST_DEVICE Index blocks() const { return table.chunks(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared&) const {
    for (Index chunk = dev.block(); chunk < blocks(); chunk += dev.blocks()) {
      const auto part = table.part(chunk);
      const Operand& tensor = table.tensors[part.tensor];
      const Collect<A> collect{.x = tensor.x, .sum = tensor.sum};
      for_values(part.begin, tensor.wide, part.end, Index(dev.thread()), threads,
                 [&](Index i, auto count) { collect(dev, i, count); });
    }
  }
};
/// y = x.
template <class T>
struct Narrow {
  const Stat<T>* x;
  T* y;
  template <class Dev, int N>
  MODELGROW_DEVICE void operator()(Dev dev, Index i, Count<N>) const {
    write(dev, y + i, read<N>(dev, x + i));
  }
};

/// y[(o * rows + r) * repeat + s, c] = x[same] + table[r, c]; a warp for each row of y.
template <class T>
struct AddTable {
  Index rows, repeat, channels, wide;
  const T *x, *table;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index row) const {
    const T *from = x + row * channels, *add = table + row / repeat % rows * channels;
    for_row(dev, wide, channels, [&]<int N>(int c, Count<N>) {
      map<N>(
          dev, [](auto v, auto w) { return v + w; }, y + row * channels + c, read<N>(dev, from + c),
          read<N>(dev, add + c));
    });
  }
};

template <class Exec>
struct ElementwiseOperations {
  template <class T>
  static void activation(Activation kind, Index n, const T* x, T* y) {
    if (kind == Activation::silu)
      for_each(n, {x, y}, Activate<T, Silu>{.x = x, .y = y});
    else
      for_each(n, {x, y}, Activate<T, GeluTanh>{.x = x, .y = y});
  }
  template <class T>
  static void activation_dx(Activation kind, Index n, const T* x, const T* dy, T* dx) {
    if (kind == Activation::silu)
      for_each(n, {x, dy, dx}, ActivateDx<T, Silu>{.x = x, .dy = dy, .dx = dx});
    else
      for_each(n, {x, dy, dx}, ActivateDx<T, GeluTanh>{.x = x, .dy = dy, .dx = dx});
  }
  template <class T>
  static void add(Index n, const T* a, const T* b, T* y) {
    for_each(n, {a, b, y}, Add<T>{.a = a, .b = b, .y = y});
  }
  template <class T>
  static void fill(Index n, T value, T* y) {
    for_each(n, {y}, Fill<T>{.value = value, .y = y});
  }
  template <class T>
  static void lerp(Index n, double weight, const T* x, T* y) {
    for_each(n, {x, y}, Lerp<T>{.weight = Stat<T>(weight), .x = x, .y = y});
  }
  template <class T>
  static void axpy(Index n, double factor, const T* x, T* y) {
    for_each(n, {x, y}, Axpy<T>{.factor = Stat<T>(factor), .x = x, .y = y});
  }
  template <class T>
  static void collect(Index n, const T* x, Stat<T>* sum) {
    for_each(n, {x, sum}, Collect<T>{.x = x, .sum = sum});
  }
  template <class T>
  static void collect_all(std::span<const Addend<Stat<T>>> addends) {
    using Kernel = CollectAll<Stat<T>>;
    std::vector<typename Kernel::Operand> operands;
    for (const auto& a : addends)
      operands.push_back({.size = a.size, .wide = wide_values(a.size, {a.x, a.sum}), .x = a.x, .sum = a.sum});
    Kernel::Table::for_each(operands, [](const auto& table) { Exec::launch(Kernel{.table = table}); });
  }
  template <class T>
  static void narrow(Index n, const Stat<T>* x, T* y) {
    for_each(n, {x, y}, Narrow<T>{.x = x, .y = y});
  }
  template <class T>
  static void add_table(Index outer, Index rows, Index repeat, Index channels, const T* x, const T* table, T* y) {
    Exec::launch(ForEachRow<AddTable<T>>{.n = outer * rows * repeat,
                                         .row = {.rows = rows,
                                                 .repeat = repeat,
                                                 .channels = channels,
                                                 .wide = wide_columns<T>(channels, {x, table, y}),
                                                 .x = x,
                                                 .table = table,
                                                 .y = y}});
  }

 private:
  template <class Element>
  static void for_each(Index n, std::initializer_list<const void*> addresses, const Element& element) {
    Exec::launch(ForEachValue<Element>{.n = n, .wide = wide_values(n, addresses), .element = element});
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
