// SPDX-License-Identifier: MIT
// The linear layer, alone and beside an activation, on top of matrix products.
#pragma once
#include <modelgrow/backend/cuda/column_major.hpp>
#include <modelgrow/backend/cuda/elementwise.hpp>
#include <modelgrow/backend/cuda/epilogue.hpp>
#include <modelgrow/backend/cuda/sums.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// y[r, c] = b[c].
template <class T>
struct Broadcast {
  Index columns;
  const T* b;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev, Index i) const {
    y[i] = b[i % columns];
  }
};

template <class Exec>
struct LinearOperations {
  template <class T>
  static void linear(LinearSize s, const T* x, const T* w, const T* b, T* y) {
    if (b && Exec::multiply_with(WithBias<T>{.bias = b}, forward(s), Transposed::b, x, w, Write::overwrite, y)) return;
    // Else the product is added to the bias in its own accumulator, so 16-bit results are rounded once as well.
    if (b) Exec::launch(ForEach<Broadcast<T>>{.n = s.rows * s.out, .element = {.columns = s.out, .b = b, .y = y}});
    Exec::multiply(forward(s), Transposed::b, x, w, b ? Write::add : Write::overwrite, y);
  }
  template <class T>
  static void linear_dx(LinearSize s, const T* dy, const T* w, T* dx, Write write) {
    Exec::multiply(to_input(s), Transposed::none, dy, w, write, dx);
  }
  template <class T>
  static void linear_dw(LinearSize s, const T* dy, const T* x, Stat<T>* dw, Stat<T>* db) {
    const MatrixSize size{.rows = s.out, .columns = s.in, .inner = s.rows};
    const WithRowSums<Stat<T>> bias_gradient{.sums = db};
    if (dw && db && Exec::multiply_with(bias_gradient, size, Transposed::a, dy, x, Write::add, dw)) return;
    if (dw) Exec::multiply(size, Transposed::a, dy, x, Write::add, dw);
    if (!db) return;
    Exec::Device::zero(db, sizeof(Stat<T>) * std::size_t(s.out));
    SumOperations<Exec>::column_sum(s.rows, s.out, dy, db);
  }

  template <class T>
  static void linear_activation(LinearSize s, Activation f, const T* x, const T* w, const T* b, T* inner, T* y) {
    const WithBiasGelu<T> bias_gelu{.bias = b, .inner = inner};
    if (f == Activation::gelu_tanh && b &&
        Exec::multiply_with(bias_gelu, forward(s), Transposed::b, x, w, Write::overwrite, y))
      return;
    T* const sums = inner ? inner : y;
    linear(s, x, w, b, sums);
    ElementwiseOperations<Exec>::activation(f, s.rows * s.out, sums, y);
  }
  template <class T>
  static void activation_linear_dx(LinearSize s, Activation f, const T* dy, const T* w, const T* inner, T* dinner) {
    const WithGeluGradient<T> dgelu{.inner = inner};
    if (f == Activation::gelu_tanh &&
        Exec::multiply_with(dgelu, to_input(s), Transposed::none, dy, w, Write::overwrite, dinner))
      return;
    linear_dx(s, dy, w, dinner, Write::overwrite);
    ElementwiseOperations<Exec>::activation_dx(f, s.rows * s.in, inner, dinner, dinner);
  }

 private:
  static MatrixSize forward(LinearSize s) { return {.rows = s.rows, .columns = s.out, .inner = s.in}; }
  static MatrixSize to_input(LinearSize s) { return {.rows = s.rows, .columns = s.in, .inner = s.out}; }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
