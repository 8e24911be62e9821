// SPDX-License-Identifier: MIT
// Row-major matrix products in the words of a column-major BLAS.
#pragma once
#include <algorithm>
#include <compare>

#include <modelgrow/backend/cuda/kernel.hpp>

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
  auto operator<=>(const ColumnMajorProduct&) const = default;

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
  static Index stride(Index n) { return std::max<Index>(1, n); }  // that of an empty matrix too is at least 1
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
