// SPDX-License-Identifier: MIT
// Linear maps and their gradients, alone and beside an activation.
#pragma once
#include <modelgrow/backend/cpu/arrays.hpp>
#include <modelgrow/backend/cpu/elementwise.hpp>
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
  static void linear_dw(LinearSize s, const T* dy, const T* x, Stat<T>* dw, Stat<T>* db) {
    if (dw) gemm_tn(s.out, s.in, s.rows, dy, x, dw).add();
    if (!db) return;
    array(db, s.out).setZero();
    column_sum(s.rows, s.out, dy, db);
  }
  template <class T>
  static void column_sum(std::int64_t rows, std::int64_t columns, const T* x, T* sum) {
    sum_rows(rows, 4 * rows_per_piece(columns), columns, sum, [=](std::int64_t first, std::int64_t count, T* partial) {
      for (std::int64_t r = first; r < first + count; ++r) array(partial, columns) += array(x + r * columns, columns);
    });
  }
  template <class T>
  static void linear_activation(LinearSize s, Activation f, const T* x, const T* w, const T* b, T* inner, T* y) {
    T* const sums = inner ? inner : y;
    linear(s, x, w, b, sums);
    Elementwise::activation(f, s.rows * s.out, sums, y);
  }
  template <class T>
  static void activation_linear_dx(LinearSize s, Activation f, const T* dy, const T* w, const T* inner, T* dinner) {
    linear_dx(s, dy, w, dinner, Write::overwrite);
    Elementwise::activation_dx(f, s.rows * s.in, inner, dinner, dinner);
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
