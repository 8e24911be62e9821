// SPDX-License-Identifier: MIT
// Dense least squares in double: products of tall matrices, symmetric positive systems.
#pragma once
#include <Eigen/Cholesky>

#include <modelgrow/backend/cpu/gemm.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

using Dense = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// c[m, n] += a[rows, m]^T b[rows, n].
inline void add_products(std::int64_t rows, std::int64_t m, const double* a, std::int64_t n, const double* b,
                         double* c) {
  gemm_tn(m, n, rows, a, b, c).add();
}

/// Replaces b[n, m] by the solution x of a x = b by Cholesky; a[n, n] is symmetric, and only its lower half is read.
/// False when a is not positive definite within rounding; b is then unchanged.
inline bool solve_positive(std::int64_t n, const double* a, std::int64_t m, double* b) {
  const Eigen::LLT<Dense> factor(Eigen::Map<const Dense>(a, n, n));
  if (factor.info() != Eigen::Success || !(factor.rcond() > 1e-15)) return false;
  Eigen::Map<Dense> x(b, n, m);
  x = factor.solve(x).eval();
  return true;
}

}  // namespace cpu
}  // namespace modelgrow::inline v0
