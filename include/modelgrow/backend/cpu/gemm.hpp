// SPDX-License-Identifier: MIT
// Matrix products over contiguous row-major matrices, cut into fixed pieces for the threads.
#pragma once
#include <modelgrow/backend/backend.hpp>
#include <modelgrow/backend/cpu/arrays.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

template <class T>
using MatrixView = Eigen::Map<
    std::conditional_t<std::is_const_v<T>, const Eigen::Matrix<std::remove_const_t<T>, -1, -1, Eigen::RowMajor>,
                       Eigen::Matrix<T, -1, -1, Eigen::RowMajor>>,
    0, Eigen::OuterStride<>>;
/// rows x columns values at p whose rows are `stride` values apart.
template <class T>
MatrixView<T> matrix(T* p, std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  return MatrixView<T>(p, rows, columns, Eigen::OuterStride<>(stride));
}
template <class T>
MatrixView<T> matrix(T* p, std::int64_t rows, std::int64_t columns) {
  return matrix(p, rows, columns, columns);
}

template <class C, class Product>
void assign(C&& c, const Product& product, Write write) {
  if (write == Write::overwrite)
    c.noalias() = product;
  else
    c.noalias() += product;
}

/// c[rows, columns] = or += a[rows, depth] b[columns, depth]^T.
template <class T>
void gemm_nt(std::int64_t rows, std::int64_t columns, std::int64_t depth, const T* a, const T* b, T* c, Write write) {
  parallel_for(rows, 256, [=](std::int64_t begin, std::int64_t end) {
    assign(matrix(c + begin * columns, end - begin, columns),
           matrix(a + begin * depth, end - begin, depth) * matrix(b, columns, depth).transpose(), write);
  });
}
/// c[rows, columns] = or += a[rows, depth] b[depth, columns].
template <class T>
void gemm_nn(std::int64_t rows, std::int64_t columns, std::int64_t depth, const T* a, const T* b, T* c, Write write) {
  parallel_for(rows, 256, [=](std::int64_t begin, std::int64_t end) {
    assign(matrix(c + begin * columns, end - begin, columns),
           matrix(a + begin * depth, end - begin, depth) * matrix(b, depth, columns), write);
  });
}
/// c[rows, columns] = or += a[depth, rows]^T b[depth, columns].
template <class T>
void gemm_tn(std::int64_t rows, std::int64_t columns, std::int64_t depth, const T* a, const T* b, T* c, Write write) {
  parallel_for(rows, 128, [=](std::int64_t begin, std::int64_t end) {
    assign(matrix(c + begin * columns, end - begin, columns),
           matrix(a + begin, depth, end - begin, rows).transpose() * matrix(b, depth, columns), write);
  });
}

}  // namespace cpu
}  // namespace modelgrow::inline v0
