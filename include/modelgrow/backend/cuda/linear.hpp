// SPDX-License-Identifier: MIT
// The linear layer, on top of matrix products.
#pragma once
#include <modelgrow/backend/cuda/column_major.hpp>
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
    const MatrixSize size{.rows = s.rows, .columns = s.out, .inner = s.in};
    if (b && Exec::multiply_biased(size, Transposed::b, x, w, b, y)) return;
    // Else the product is added to the bias in its own accumulator, so 16-bit results are rounded once as well.
    if (b) Exec::launch(ForEach<Broadcast<T>>{.n = s.rows * s.out, .element = {.columns = s.out, .b = b, .y = y}});
    Exec::multiply(size, Transposed::b, x, w, b ? Write::add : Write::overwrite, y);
  }
  template <class T>
  static void linear_dx(LinearSize s, const T* dy, const T* w, T* dx, Write write) {
    Exec::multiply(MatrixSize{.rows = s.rows, .columns = s.in, .inner = s.out}, Transposed::none, dy, w, write, dx);
  }
  template <class T>
  static void linear_dw(LinearSize s, const T* dy, const T* x, Stat<T>* dw) {
    Exec::multiply(MatrixSize{.rows = s.out, .columns = s.in, .inner = s.rows}, Transposed::a, dy, x, Write::add, dw);
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
