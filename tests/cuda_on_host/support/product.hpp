// SPDX-License-Identifier: MIT
// The column-major products that cuBLAS is asked for, written out.
#pragma once
#include <cmath>

#include <modelgrow/backend/cuda/column_major.hpp>
#include <modelgrow/backend/cuda/epilogue.hpp>

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

/// x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3), and its derivative.
template <class A>
A gelu(A x) {
  const A u = A(0.79788456080286535588) * (x + A(0.044715) * x * x * x);
  return x / 2 * (1 + std::tanh(u));
}
template <class A>
A gelu_derivative(A x) {
  const A u = A(0.79788456080286535588) * (x + A(0.044715) * x * x * x), t = std::tanh(u);
  return (1 + t) / 2 + x / 2 * (1 - t * t) * A(0.79788456080286535588) * (1 + A(3 * 0.044715) * x * x);
}

/// What each epilogue makes of a sum at an element of the column-major result.
template <class T>
Stat<T> finished(const modelgrow::kernels::WithBias<T>& e, Index row, Index, Stat<T> sum) {
  return sum + Stat<T>(e.bias[row]);
}
template <class T>
Stat<T> finished(const modelgrow::kernels::WithBiasGelu<T>& e, Index row, Index at, Stat<T> sum) {
  const Stat<T> inner = sum + Stat<T>(e.bias[row]);
  if (e.inner) e.inner[at] = T(inner);
  return gelu(inner);
}
template <class T>
Stat<T> finished(const modelgrow::kernels::WithGeluGradient<T>& e, Index, Index at, Stat<T> sum) {
  return sum * gelu_derivative(Stat<T>(e.inner[at]));
}
template <class S>
S finished(const modelgrow::kernels::WithRowSums<S>&, Index, Index, S sum) {
  return sum;
}

/// What an epilogue sums besides.
template <class Epilogue, class T>
void sum_beside(const Epilogue&, const modelgrow::kernels::ColumnMajorProduct&, const T*) {}
template <class S, class T>
void sum_beside(const modelgrow::kernels::WithRowSums<S>& e, const modelgrow::kernels::ColumnMajorProduct& p,
                const T* second) {
  for (Index j = 0; j < p.n; ++j) {
    e.sums[j] = 0;
    for (Index k = 0; k < p.k; ++k)
      e.sums[j] += S(second[p.transpose_second ? j + k * p.ld_second : k + j * p.ld_second]);
  }
}

/// False for a single row, as cuBLASLt may have no algorithm for a shape.
template <class Epilogue, class T, class R>
bool multiply_with(const Epilogue& epilogue, modelgrow::kernels::MatrixSize size,
                   modelgrow::kernels::Transposed transposed, const T* a, const T* b, modelgrow::Write write, R* c) {
  if (size.rows == 1 || size.columns == 0) return false;
  each_sum(size, transposed, a, b, [&](Index row, Index at, Stat<T> sum) {
    if (write == modelgrow::Write::add) sum += Stat<T>(c[at]);
    c[at] = R(finished(epilogue, row, at, sum));
  });
  sum_beside(epilogue, modelgrow::kernels::ColumnMajorProduct::of(size, transposed), a);
  return true;
}

}  // namespace emulator
