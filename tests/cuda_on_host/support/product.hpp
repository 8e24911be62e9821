// SPDX-License-Identifier: MIT
// The column-major product that cuBLAS is asked for, written out.
#pragma once
#include <modelgrow/backend/cuda/linear.hpp>

namespace emulator {

template <class T, class R>
void multiply(modelgrow::kernels::MatrixSize size, modelgrow::kernels::Transposed transposed, const T* a, const T* b,
              modelgrow::Write write, R* c) {
  using modelgrow::Stat;
  using modelgrow::kernels::Index;
  const auto p = modelgrow::kernels::ColumnMajorProduct::of(size, transposed);
  for (Index j = 0; j < p.n; ++j)
    for (Index i = 0; i < p.m; ++i) {
      Stat<T> sum = 0;
      for (Index k = 0; k < p.k; ++k)
        sum += Stat<T>(b[p.transpose_first ? k + i * p.ld_first : i + k * p.ld_first]) *
               Stat<T>(a[p.transpose_second ? j + k * p.ld_second : k + j * p.ld_second]);
      R& result = c[i + j * p.ld_result];
      result = R(write == modelgrow::Write::add ? Stat<T>(result) + sum : sum);
    }
}

}  // namespace emulator
