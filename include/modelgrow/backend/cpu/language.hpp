// SPDX-License-Identifier: MIT
// What language models compute between their matrix products.
#pragma once
#include <cmath>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/backend/cpu/elementwise.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

struct Language {
  template <class T>
  static void rms_norm(std::int64_t rows, std::int64_t n, double eps, const T* x, const T* gain, T* y) {
    parallel_for(rows, rows_per_piece(n), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const auto v = array(x + r * n, n);
        const T scale = T(1) / std::sqrt(v.square().mean() + T(eps));
        array(y + r * n, n) = v * scale * array(gain, n);
      }
    });
  }
  template <class T>
  static void gelu(std::int64_t n, T* x) {
    for_pieces(n, [=](std::int64_t i, std::int64_t m) {
      for (T* v = x + i; v < x + i + m; ++v) *v *= T(0.5) * (T(1) + std::erf(*v * T(0.70710678118654752)));
    });
  }
  template <class T>
  static void gated(Activation f, std::int64_t n, const T* up, T* gate) {
    for_pieces(n, [=](std::int64_t i, std::int64_t m) {
      Elementwise::activation(f, m, gate + i, gate + i);
      array(gate + i, m) *= array(up + i, m);
    });
  }
  template <class T>
  static void rotate(std::int64_t rows, std::int64_t heads, std::int64_t head_dim, RotaryPairs pairs,
                     const std::int32_t* positions, const T* cosines, const T* sines, T* x) {
    if (pairs == RotaryPairs::halves)
      turn<1>(rows, heads, head_dim, head_dim / 2, positions, cosines, sines, x);
    else
      turn<2>(rows, heads, head_dim, 1, positions, cosines, sines, x);
  }

 private:
  // Pair i of a head is its values i * Step and i * Step + partner.
  template <int Step, class T>
  static void turn(std::int64_t rows, std::int64_t heads, std::int64_t head_dim, std::int64_t partner,
                   const std::int32_t* positions, const T* cosines, const T* sines, T* x) {
    const std::int64_t half = head_dim / 2;
    parallel_for(rows, rows_per_piece(heads * head_dim), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T *c = cosines + positions[r] * half, *s = sines + positions[r] * half;
        for (std::int64_t h = 0; h < heads; ++h) {
          T *first = x + (r * heads + h) * head_dim, *second = first + partner;
          for (std::int64_t i = 0; i < half; ++i) {
            const T u = first[i * Step], v = second[i * Step];
            first[i * Step] = u * c[i] - v * s[i];
            second[i * Step] = v * c[i] + u * s[i];
          }
        }
      }
    });
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
