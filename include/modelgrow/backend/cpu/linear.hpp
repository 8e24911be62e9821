// SPDX-License-Identifier: MIT
// Linear maps and their gradients.
#pragma once
#include <modelgrow/backend/cpu/arrays.hpp>
#include <modelgrow/backend/cpu/gemm.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

struct Linear {
  template <class T>
  static void linear(LinearSize s, const T* x, const T* w, const T* b, T* y) {
    auto product = gemm_nt(s.rows, s.out, s.in, x, w, y);
    b ? product.from_row(b) : product.overwrite();
  }
  template <class T>
  static void linear_dx(LinearSize s, const T* dy, const T* w, T* dx, Write write) {
    gemm_nn(s.rows, s.in, s.out, dy, w, dx).write(write);
  }
  template <class T>
  static void linear_dw(LinearSize s, const T* dy, const T* x, T* dw) {
    gemm_tn(s.out, s.in, s.rows, dy, x, dw).add();
  }
  template <class T>
  static void column_sum(std::int64_t rows, std::int64_t columns, const T* x, T* sum) {
    sum_rows(rows, 4 * rows_per_piece(columns), columns, sum, [=](std::int64_t first, std::int64_t count, T* partial) {
      for (std::int64_t r = first; r < first + count; ++r) array(partial, columns) += array(x + r * columns, columns);
    });
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
