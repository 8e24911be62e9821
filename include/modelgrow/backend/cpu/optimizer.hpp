// SPDX-License-Identifier: MIT
// AdamW in one pass over weights, gradients and moments.
#pragma once
#include <cmath>
#include <span>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/backend/cpu/arrays.hpp>
#include <modelgrow/backend/cpu/elementwise.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

struct Optimizer {
  template <class T>
  static void sum_of_squares(std::span<const std::span<const T>> tensors, double* sum) {
    for (const auto& x : tensors)
      *sum += sum_over_pieces(std::int64_t(x.size()), [=](std::int64_t i, std::int64_t m) {
        return double(array(x.data() + i, m).square().sum());
      });
  }
  template <class T>
  static void clipping(double longest, const double* sum, T* scale) {
    const double norm = std::sqrt(*sum);
    *scale = T(!std::isfinite(norm) ? std::nan("") : norm > longest ? longest / (norm + 1e-6) : 1.0);
  }
  template <class T>
  static void adamw(const AdamWStep& s, const T* scale, std::span<const AdamWUpdate<T>> updates) {
    if (std::isnan(*scale)) return;
    for (const AdamWUpdate<T>& u : updates) {
      update(s, *scale, u);
      if (u.average) Elementwise::lerp(u.rows * u.columns, s.average_rate, u.w, u.average);
    }
  }

 private:
  template <class T>
  static void update(const AdamWStep& s, T scale, const AdamWUpdate<T>& u) {
    // With no multipliers the tensor is one long row.
    const bool flat = !u.lr_columns && !u.eps_rows;
    const std::int64_t n = flat ? u.rows * u.columns : u.columns;
    const std::int64_t pieces = (n + piece - 1) / piece;
    parallel_for((flat ? 1 : u.rows) * pieces, flat ? 1 : rows_per_piece(n), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) {
        const std::int64_t r = p / pieces, first = p % pieces * piece, count = std::min(piece, n - first);
        const std::int64_t i = r * n + first;
        const double eps = u.eps * (u.eps_rows ? double(u.eps_rows[r]) : 1.0);
        step(s, u, scale, eps, count, u.lr_columns ? u.lr_columns + first : nullptr, u.w + i, u.gradient + i, u.m + i,
             u.v + i);
      }
    });
  }
  template <class T>
  static void step(const AdamWStep& s, const AdamWUpdate<T>& u, T scale, double eps, std::int64_t n, const T* lr,
                   T* __restrict w, T* __restrict gradient, T* __restrict m, T* __restrict v) {
    const T beta1 = T(s.beta1), beta2 = T(s.beta2), keep = T(1.0 - u.decay);
    const T step = T(u.lr / u.correction1), correction2 = T(1.0 / u.correction2), e = T(eps);
    for (std::int64_t i = 0; i < n; ++i) {
      const T g = gradient[i] * scale;
      gradient[i] = T(0);
      m[i] = beta1 * m[i] + (T(1) - beta1) * g;
      v[i] = beta2 * v[i] + (T(1) - beta2) * g * g;
      const T rate = lr ? step * lr[i] : step;
      w[i] = keep * w[i] - rate * m[i] / (std::sqrt(v[i] * correction2) + e);
    }
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
