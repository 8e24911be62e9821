// SPDX-License-Identifier: MIT
// LayerNorm over the last dimension, with gain and bias of its own or with modulation by vectors of the batch entry.
#pragma once
#include <cmath>
#include <utility>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/backend/cpu/arrays.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

/// Mean and 1 / standard deviation of a row, in two passes over the cached values.
template <class T>
std::pair<T, T> moments(const T* x, std::int64_t n, double eps) {
  const T mean = array(x, n).mean();
  const T variance = (array(x, n) - mean).square().mean();
  return {mean, T(1) / std::sqrt(variance + T(eps))};
}

struct Norm {
  template <class T>
  static void norm_modulate(ModulateSize s, double eps, const T* x, const T* m, int shift, int scale, T* y,
                            Stat<T>* mean, Stat<T>* rstd) {
    const std::int64_t n = s.channels;
    parallel_for(s.batch * s.tokens, rows_per_piece(n), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) modulated(s, eps, r, x, m, shift, scale, y, mean, rstd);
    });
  }
  template <class T>
  static void residual_norm_modulate(ModulateSize s, double eps, const T* x, const T* branch, const T* m, int gate,
                                     int shift, int scale, T* sum, T* y, Stat<T>* mean, Stat<T>* rstd) {
    const std::int64_t n = s.channels;
    parallel_for(s.batch * s.tokens, rows_per_piece(n), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        if (gate == no_gate)
          array(sum + r * n, n) = array(x + r * n, n) + array(branch + r * n, n);
        else
          array(sum + r * n, n) =
              array(x + r * n, n) + array(m + (r / s.tokens * s.slots + gate) * n, n) * array(branch + r * n, n);
        modulated(s, eps, r, sum, m, shift, scale, y, mean, rstd);
      }
    });
  }
  template <class T>
  static void norm_modulate_dx(ModulateSize s, const T* x, const T* m, int shift, int scale, const Stat<T>* mean,
                               const Stat<T>* rstd, const T* dy, T* dx, Write write, T* dm) {
    const std::int64_t n = s.channels;
    const auto factor = [=](std::int64_t r) { return array(m + (r / s.tokens * s.slots + scale) * n, n) + T(1); };
    norm_dx(s.batch, s.tokens, n, x, mean, rstd, dy, factor, dx, write, dm != nullptr,
            [=](std::int64_t b, const T* dgain, const T* dbias) {
              array(dm + (b * s.slots + scale) * n, n) += array(dgain, n);
              array(dm + (b * s.slots + shift) * n, n) += array(dbias, n);
            });
  }

  template <class T>
  static void layer_norm(std::int64_t rows, std::int64_t n, double eps, const T* x, const T* gain, const T* bias, T* y,
                         Stat<T>* mean, Stat<T>* rstd) {
    parallel_for(rows, rows_per_piece(n), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const auto [mu, is] = moments(x + r * n, n, eps);
        mean[r] = mu, rstd[r] = is;
        const auto xhat = (array(x + r * n, n) - mu) * is;
        if (gain)
          array(y + r * n, n) = xhat * array(gain, n) + array(bias, n);
        else
          array(y + r * n, n) = xhat;
      }
    });
  }
  template <class T>
  static void layer_norm_dx(std::int64_t rows, std::int64_t n, const T* x, const T* gain, const Stat<T>* mean,
                            const Stat<T>* rstd, const T* dy, T* dx, Write write, T* dgain, T* dbias) {
    const auto add = [=](std::int64_t, const T* gain_sum, const T* bias_sum) {
      if (dgain) array(dgain, n) += array(gain_sum, n);
      if (dbias) array(dbias, n) += array(bias_sum, n);
    };
    const bool sums = dgain || dbias;
    if (gain)
      norm_dx(
          1, rows, n, x, mean, rstd, dy, [=](std::int64_t) { return array(gain, n); }, dx, write, sums, add);
    else
      norm_dx(
          1, rows, n, x, mean, rstd, dy, [=](std::int64_t) { return Eigen::Array<T, -1, 1>::Ones(n); }, dx, write, sums,
          add);
  }

 private:
  // Row r of norm_modulate.
  template <class T>
  static void modulated(ModulateSize s, double eps, std::int64_t r, const T* x, const T* m, int shift, int scale, T* y,
                        Stat<T>* mean, Stat<T>* rstd) {
    const std::int64_t n = s.channels;
    const T* slots = m + r / s.tokens * s.slots * n;
    const auto [mu, is] = moments(x + r * n, n, eps);
    mean[r] = mu, rstd[r] = is;
    array(y + r * n, n) =
        (array(x + r * n, n) - mu) * is * (array(slots + scale * n, n) + T(1)) + array(slots + shift * n, n);
  }

  // dx of y = xhat * factor(row), rstd (g - mean(g) - xhat mean(g xhat)) with g = dy * factor, and in the same sweep
  // the sums over a group of rows: add(group, sum dy xhat, sum dy).
  template <class T, class Factor, class Add>
  static void norm_dx(std::int64_t groups, std::int64_t rows, std::int64_t n, const T* x, const Stat<T>* mean,
                      const Stat<T>* rstd, const T* dy, Factor factor, T* dx, Write write, bool sums, Add add) {
    sum_rows<T>(
        groups, rows, 2 * rows_per_piece(n), sums ? 2 * n : 0,
        [=](std::int64_t first, std::int64_t count, T* partial) {
          for (std::int64_t r = first; r < first + count; ++r) {
            const auto dyr = array(dy + r * n, n);
            const auto xhat = (array(x + r * n, n) - mean[r]) * rstd[r];
            if (sums) {
              array(partial, n) += dyr * xhat;
              array(partial + n, n) += dyr;
            }
            if (!dx) continue;
            const auto g = dyr * factor(r);
            const T g_mean = g.mean(), g_xhat = (g * xhat).mean();
            const auto result = rstd[r] * (g - g_mean - xhat * g_xhat);
            if (write == Write::overwrite)
              array(dx + r * n, n) = result;
            else
              array(dx + r * n, n) += result;
          }
        },
        [=](std::int64_t group, const T* partial) { add(group, partial, partial + n); });
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
