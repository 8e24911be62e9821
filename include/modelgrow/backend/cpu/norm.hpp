// SPDX-License-Identifier: MIT
// LayerNorm over the last dimension, with gain and bias of its own or with modulation by vectors of the batch entry.
#pragma once
#include <cmath>

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

/// dx of y = xhat * factor for one row: rstd (g - mean(g) - xhat mean(g xhat)) with g = dy * factor.
template <class T, class Factor>
void norm_row_dx(const T* x, T mean, T rstd, const T* dy, const Factor& factor, std::int64_t n, T* dx, Write write) {
  const auto g = array(dy, n) * factor;
  const auto xhat = (array(x, n) - mean) * rstd;
  const T g_mean = g.mean();
  const T g_xhat = (g * xhat).mean();
  if (write == Write::overwrite)
    array(dx, n) = rstd * (g - g_mean - xhat * g_xhat);
  else
    array(dx, n) += rstd * (g - g_mean - xhat * g_xhat);
}

struct Norm {
  template <class T>
  static void norm_modulate(ModulateSize s, double eps, const T* x, const T* m, int shift, int scale, T* y,
                            Stat<T>* mean, Stat<T>* rstd) {
    const std::int64_t n = s.channels;
    parallel_for(s.batch * s.tokens, rows_per_piece(n), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* slots = m + r / s.tokens * s.slots * n;
        const auto [mu, is] = moments(x + r * n, n, eps);
        mean[r] = mu, rstd[r] = is;
        array(y + r * n, n) =
            (array(x + r * n, n) - mu) * is * (array(slots + scale * n, n) + T(1)) + array(slots + shift * n, n);
      }
    });
  }
  template <class T>
  static void norm_modulate_dx(ModulateSize s, const T* x, const T* m, int shift, int scale, const Stat<T>* mean,
                               const Stat<T>* rstd, const T* dy, T* dx, Write write, T* dm) {
    const std::int64_t n = s.channels;
    if (dx)
      parallel_for(s.batch * s.tokens, rows_per_piece(n), [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r)
          norm_row_dx(x + r * n, mean[r], rstd[r], dy + r * n,
                      array(m + (r / s.tokens * s.slots + scale) * n, n) + T(1), n, dx + r * n, write);
      });
    if (dm)
      for (std::int64_t b = 0; b < s.batch; ++b) {
        T* slots = dm + b * s.slots * n;
        gain_and_bias_dx(s.tokens, n, x + b * s.tokens * n, mean + b * s.tokens, rstd + b * s.tokens,
                         dy + b * s.tokens * n, slots + scale * n, slots + shift * n);
      }
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
    if (dx)
      parallel_for(rows, rows_per_piece(n), [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r)
          if (gain)
            norm_row_dx(x + r * n, mean[r], rstd[r], dy + r * n, array(gain, n), n, dx + r * n, write);
          else
            norm_row_dx(x + r * n, mean[r], rstd[r], dy + r * n, Eigen::Array<T, -1, 1>::Ones(n), n, dx + r * n, write);
      });
    if (dgain || dbias) gain_and_bias_dx(rows, n, x, mean, rstd, dy, dgain, dbias);
  }

 private:
  // dgain += sum_r dy xhat, dbias += sum_r dy.
  template <class T>
  static void gain_and_bias_dx(std::int64_t rows, std::int64_t n, const T* x, const Stat<T>* mean, const Stat<T>* rstd,
                               const T* dy, T* dgain, T* dbias) {
    std::vector<T> sums(std::size_t(2 * n), T(0));
    sum_rows(rows, 4 * rows_per_piece(n), 2 * n, sums.data(), [=](std::int64_t first, std::int64_t count, T* partial) {
      for (std::int64_t r = first; r < first + count; ++r) {
        array(partial, n) += array(dy + r * n, n) * (array(x + r * n, n) - mean[r]) * rstd[r];
        array(partial + n, n) += array(dy + r * n, n);
      }
    });
    if (dgain) array(dgain, n) += array(sums.data(), n);
    if (dbias) array(dbias, n) += array(sums.data() + n, n);
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
