// SPDX-License-Identifier: MIT
// The column-major products that cuBLAS is asked for, written out.
#pragma once
#include <modelgrow/backend/cuda/column_major.hpp>

namespace emulator {

using modelgrow::Stat;
using modelgrow::kernels::Index;

/// put(row, place, sum) for every element of the column-major result.
template <class T, class Put>
void each_sum(modelgrow::kernels::MatrixSize size, modelgrow::kernels::Transposed transposed, const T* a, const T* b,
              Put put) {
  const auto p = modelgrow::kernels::ColumnMajorProduct::of(size, transposed);
  for (Index j = 0; j < p.n; ++j)
    for (Index i = 0; i < p.m; ++i) {
      Stat<T> sum = 0;
      for (Index k = 0; k < p.k; ++k)
        sum += Stat<T>(b[p.transpose_first ? k + i * p.ld_first : i + k * p.ld_first]) *
               Stat<T>(a[p.transpose_second ? j + k * p.ld_second : k + j * p.ld_second]);
      put(i, i + j * p.ld_result, sum);
    }
}

template <class T, class R>
void multiply(modelgrow::kernels::MatrixSize size, modelgrow::kernels::Transposed transposed, const T* a, const T* b,
              modelgrow::Write write, R* c) {
  each_sum(size, transposed, a, b, [&](Index, Index at, Stat<T> sum) {
    c[at] = R(write == modelgrow::Write::add ? Stat<T>(c[at]) + sum : sum);
  });
}

/// False for a single row, as cuBLASLt may have no algorithm for a shape.
template <class T>
bool multiply_biased(modelgrow::kernels::MatrixSize size, modelgrow::kernels::Transposed transposed, const T* a,
                     const T* b, const T* bias, T* c) {
  if (size.rows == 1) return false;
  each_sum(size, transposed, a, b, [&](Index row, Index at, Stat<T> sum) { c[at] = T(sum + Stat<T>(bias[row])); });
  return true;
}

}  // namespace emulator
