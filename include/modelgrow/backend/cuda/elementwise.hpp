// SPDX-License-Identifier: MIT
// Kernels in which every value of the result has a thread of its own.
#pragma once
#include <modelgrow/backend/cuda/kernel.hpp>

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
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    y[i] = dev.template narrow<T>(Function{}.value(dev, dev.widen(x[i])));
  }
};
template <class T, class Function>
struct ActivateDx {
  const T *x, *dy;
  T* dx;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    dx[i] = dev.template narrow<T>(dev.widen(dy[i]) * Function{}.derivative(dev, dev.widen(x[i])));
  }
};

template <class T>
struct Add {
  const T *a, *b;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    y[i] = dev.template narrow<T>(dev.widen(a[i]) + dev.widen(b[i]));
  }
};
template <class T>
struct Fill {
  T value;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev, Index i) const {
    y[i] = value;
  }
};
/// y += weight * (x - y).
template <class T>
struct Lerp {
  Stat<T> weight;
  const T* x;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Stat<T> now = dev.widen(y[i]);
    y[i] = dev.template narrow<T>(now + weight * (dev.widen(x[i]) - now));
  }
};
/// y += factor * x.
template <class T>
struct Axpy {
  Stat<T> factor;
  const T* x;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    y[i] = dev.template narrow<T>(dev.widen(y[i]) + factor * dev.widen(x[i]));
  }
};

/// sum += x.
template <class T>
struct Collect {
  const T* x;
  Stat<T>* sum;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    sum[i] += dev.widen(x[i]);
  }
};
/// y = x.
template <class T>
struct Narrow {
  const Stat<T>* x;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    y[i] = dev.template narrow<T>(x[i]);
  }
};

/// y[(o * rows + r) * repeat + s, c] = x[same] + table[r, c].
template <class T>
struct AddTable {
  Index rows, repeat, channels;
  const T *x, *table;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Index c = i % channels, r = i / channels / repeat % rows;
    y[i] = dev.template narrow<T>(dev.widen(x[i]) + dev.widen(table[r * channels + c]));
  }
};

template <class Exec>
struct ElementwiseOperations {
  template <class T>
  static void activation(Activation kind, Index n, const T* x, T* y) {
    if (kind == Activation::silu)
      for_each(n, Activate<T, Silu>{.x = x, .y = y});
    else
      for_each(n, Activate<T, GeluTanh>{.x = x, .y = y});
  }
  template <class T>
  static void activation_dx(Activation kind, Index n, const T* x, const T* dy, T* dx) {
    if (kind == Activation::silu)
      for_each(n, ActivateDx<T, Silu>{.x = x, .dy = dy, .dx = dx});
    else
      for_each(n, ActivateDx<T, GeluTanh>{.x = x, .dy = dy, .dx = dx});
  }
  template <class T>
  static void add(Index n, const T* a, const T* b, T* y) {
    for_each(n, Add<T>{.a = a, .b = b, .y = y});
  }
  template <class T>
  static void fill(Index n, T value, T* y) {
    for_each(n, Fill<T>{.value = value, .y = y});
  }
  template <class T>
  static void lerp(Index n, double weight, const T* x, T* y) {
    for_each(n, Lerp<T>{.weight = Stat<T>(weight), .x = x, .y = y});
  }
  template <class T>
  static void axpy(Index n, double factor, const T* x, T* y) {
    for_each(n, Axpy<T>{.factor = Stat<T>(factor), .x = x, .y = y});
  }
  template <class T>
  static void collect(Index n, const T* x, Stat<T>* sum) {
    for_each(n, Collect<T>{.x = x, .sum = sum});
  }
  template <class T>
  static void narrow(Index n, const Stat<T>* x, T* y) {
    for_each(n, Narrow<T>{.x = x, .y = y});
  }
  template <class T>
  static void add_table(Index outer, Index rows, Index repeat, Index channels, const T* x, const T* table, T* y) {
    for_each(outer * rows * repeat * channels,
             AddTable<T>{.rows = rows, .repeat = repeat, .channels = channels, .x = x, .table = table, .y = y});
  }

 private:
  template <class Element>
  static void for_each(Index n, const Element& element) {
    Exec::launch(ForEach<Element>{.n = n, .element = element});
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
