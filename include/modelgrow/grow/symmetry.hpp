// SPDX-License-Identifier: MIT
// Noise that tells copies apart without changing their sum: each weight is split in slightly uneven, random parts.
// Noise is relative to the weight, so closed (zero) weights stay closed and no statistics of the tensor are needed.
#pragma once
#include <cmath>
#include <cstdint>
#include <span>

#include <modelgrow/core/rng.hpp>
#include <modelgrow/grow/split.hpp>

namespace modelgrow::inline v0::detail {

/// Half the range of the uniform noise for copies with these splits, at a signal-to-noise ratio of `db`: the power
/// of sum_k split_k delta_k over that of the splits is 10^(-db/10). Never so large that a part changes its sign.
inline double noise_range(std::span<const double> splits, double db) {
  double s2 = 0, s3 = 0, least = 1;
  for (double s : splits) {
    s2 += s * s;
    s3 += s * s * s;
    least = std::min(least, s);
  }
  const double variance = (1 + s2 - 2 * s3 / s2) / 3;  // of delta_k for noise in [-1, 1], weighted by split_k^2
  return std::min(std::pow(10.0, -db / 20) / std::sqrt(variance), 0.999 / (2 * (1 - least)));
}

/// How much larger than its split the part of a copy can become.
inline double noise_headroom(double split, double range) { return split * (1 + 2 * range * (1 - split)); }

/// The share of copy `member` among copies with these splits; `index` numbers the weight within its tensor. Pure:
/// every caller that asks about another member of the same weight sees the same noise (and, never inlined, the same
/// rounding, so that neighbours agree on their common end).
/// delta_k = eta_k - sum_m split_m eta_m with eta uniform in [-range, range], so that sum_k split_k delta_k = 0.
[[gnu::noinline]] inline Share noisy_share(const Rng& rng, std::uint64_t index, std::span<const double> splits,
                                           double range, std::size_t member) {
  const std::size_t copies = splits.size();
  auto words = rng.words(index);  // for four copies; more copies fetch more words
  const auto eta = [&](std::size_t m) {
    if (copies > 4 && m % 4 == 0) words = rng.words(index | std::uint64_t(m / 4) << 48);
    return range * ((double(words[m % 4]) + 0.5) * 0x1p-31 - 1.0);
  };
  double mean = 0;
  for (std::size_t m = 0; m < copies; ++m) mean += splits[m] * eta(m);
  Share share{.lo = 0, .hi = 0};
  for (std::size_t m = 0; m <= member; ++m) {
    share.lo = share.hi;
    share.hi += splits[m] * (1 + eta(m) - mean);
  }
  if (member + 1 == copies) share.hi = 1;
  return share;
}

}  // namespace modelgrow::inline v0::detail
