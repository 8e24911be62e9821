// SPDX-License-Identifier: MIT
// Linear maps and their gradients.
#pragma once
#include <modelgrow/backend/cpu/gemm.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

struct Linear {
  template <class T>
  static void linear(LinearSize s, const T* x, const T* w, const T* b, T* y) {
    if (b)
      parallel_for(s.rows, rows_per_piece(s.out), [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r) array(y + r * s.out, s.out) = array(b, s.out);
      });
    gemm_nt(s.rows, s.out, s.in, x, w, y, b ? Write::add : Write::overwrite);
  }
  template <class T>
  static void linear_dx(LinearSize s, const T* dy, const T* w, T* dx, Write write) {
    gemm_nn(s.rows, s.in, s.out, dy, w, dx, write);
  }
  template <class T>
  static void linear_dw(LinearSize s, const T* dy, const T* x, T* dw) {
    gemm_tn(s.out, s.in, s.rows, dy, x, dw, Write::add);
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
