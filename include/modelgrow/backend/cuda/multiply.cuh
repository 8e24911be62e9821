// SPDX-License-Identifier: MIT
// Matrix products by cuBLAS and cuBLASLt: float in full float arithmetic, bf16 with float sums.
#pragma once
#include <modelgrow/backend/cuda/context.cuh>

namespace modelgrow::inline v0 {
namespace kernels {

/// c = a b, or c += a b (column_major.hpp says how a and b are stored), in the type of a and b or in float. Throws
/// device_error.
template <class T, class R>
void multiply(MatrixSize size, Transposed transposed, const T* a, const T* b, Write write, R* c) {
  static_assert(std::same_as<T, float> || std::same_as<T, bf16>, "the CUDA backend stores float and bf16");
  if (size.rows == 0 || size.columns == 0) return;
  const auto product = ColumnMajorProduct::of(size, transposed);
  const auto operation = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const float alpha = 1, beta = write == Write::add ? 1 : 0;
  // Plain 32F, not the TF32 variant: the result of a growth must not change by 1e-3.
  check(cublasGemmEx_64(CudaContext::current().blas(), operation(product.transpose_first),
                        operation(product.transpose_second), product.m, product.n, product.k, &alpha, b, blas_type<T>,
                        product.ld_first, a, blas_type<T>, product.ld_second, &beta, c, blas_type<R>, product.ld_result,
                        CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
        "multiplying matrices");
}

/// The same with what `epilogue` says. False, and nothing done, where cuBLASLt cannot. Throws device_error.
template <class Epilogue, class T, class R>
bool multiply_with(const Epilogue& epilogue, MatrixSize size, Transposed transposed, const T* a, const T* b,
                   Write write, R* c) {
  if (size.rows == 0 || size.columns == 0 || size.inner == 0) return false;
  CudaContext& context = CudaContext::current();
  return context.fused_products().run({ColumnMajorProduct::of(size, transposed), blas_type<T>, blas_type<R>},
                                      lt_epilogue(epilogue), {.first = b, .second = a, .result = c}, write,
                                      context.workspace(), context.stream());
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
