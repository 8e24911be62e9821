// SPDX-License-Identifier: MIT
// Matrix products: row-major operands for a column-major BLAS, and the linear layer on top.
#pragma once
#include <modelgrow/backend/cuda/sums.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// c[rows, columns] = a b over `inner`; all row-major and contiguous.
struct MatrixSize {
  Index rows, columns, inner;
};
/// Which operand is stored transposed: a as [inner, rows], or b as [columns, inner].
enum class Transposed { none, a, b };

/// The same product for a column-major BLAS, which sees every row-major matrix transposed: c^T = b^T a^T. `first` is b.
struct ColumnMajorProduct {
  Index m, n, k, ld_first, ld_second, ld_result;
  bool transpose_first, transpose_second;

  static ColumnMajorProduct of(MatrixSize s, Transposed t) {
    return {.m = s.columns,
            .n = s.rows,
            .k = s.inner,
            .ld_first = stride(t == Transposed::b ? s.inner : s.columns),
            .ld_second = stride(t == Transposed::a ? s.rows : s.inner),
            .ld_result = stride(s.columns),
            .transpose_first = t == Transposed::b,
            .transpose_second = t == Transposed::a};
  }

 private:
  static Index stride(Index n) { return greatest<Index>(1, n); }  // that of an empty matrix too is at least 1
};

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
    // The product is added to the bias in its own accumulator, so 16-bit results are rounded once.
    if (b) Exec::launch(ForEach<Broadcast<T>>{.n = s.rows * s.out, .element = {.columns = s.out, .b = b, .y = y}});
    Exec::multiply(MatrixSize{.rows = s.rows, .columns = s.out, .inner = s.in}, Transposed::b, x, w,
                   b ? Write::add : Write::overwrite, y);
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
