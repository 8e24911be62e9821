// SPDX-License-Identifier: MIT
// Noise that tells copies apart without changing their sum: each weight is split in slightly uneven, random parts.
// Noise is relative to the weight, so closed (zero) weights stay closed and no statistics of the tensor are needed.
#pragma once
#include <algorithm>
#include <array>
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
  // Rounded to float, which hides in what way a processor rounds the power.
  return std::min(double(float(std::pow(10.0, -db / 20) / std::sqrt(variance))), 0.999 / (2 * (1 - least)));
}

/// How much larger than its split the part of a copy can become.
inline double noise_headroom(double split, double range) { return split * (1 + 2 * range * (1 - split)); }

/// eta_m / range of four copies, uniform in [-1, 1], from four words; exact.
inline double unit_noise(std::uint32_t word) { return (double(word) + 0.5) * 0x1p-31 - 1.0; }

/// Where the shares of at most four copies end, whose splits are followed by zeros; the last one ends at 1.
/// delta_k = eta_k - sum_m split_m eta_m with eta uniform in [-range, range], so that sum_k split_k delta_k = 0. Every
/// product that is added to something is a fused one, so that all processors and all loops round alike.
inline std::array<double, 4> ends_of_four(const std::array<std::uint32_t, 4>& words, const std::array<double, 4>& split,
                                          double range, double copies) {
  const double a0 = std::fma(range, unit_noise(words[0]), 1.0), a1 = std::fma(range, unit_noise(words[1]), 1.0),
               a2 = std::fma(range, unit_noise(words[2]), 1.0), a3 = std::fma(range, unit_noise(words[3]), 1.0);
  const double mean = std::fma(split[0], a0, std::fma(split[1], a1, std::fma(split[2], a2, split[3] * a3)));
  const double h0 = split[0] * (1 + a0 - mean), h1 = std::fma(split[1], 1 + a1 - mean, h0),
               h2 = std::fma(split[2], 1 + a2 - mean, h1);
  return {h0, select(copies == 2, 1.0, h1), select(copies == 3, 1.0, h2), 1.0};
}

/// Where the share of the first of two copies ends: the first of ends_of_four, whose other terms are zero.
inline double end_of_first(std::uint32_t word0, std::uint32_t word1, double split0, double split1, double range) {
  const double a0 = std::fma(range, unit_noise(word0), 1.0), a1 = std::fma(range, unit_noise(word1), 1.0);
  return split0 * (1 + a0 - std::fma(split0, a0, split1 * a1));
}

/// The share of copy `member` among any number with these splits; `index` numbers the weight within its tensor. Pure:
/// every caller that asks about another member of the same weight sees the same noise.
inline OwnedShare noisy_share(const Rng& rng, std::uint64_t index, std::span<const double> splits, double range,
                              std::size_t member) {
  const std::size_t copies = splits.size();
  if (copies <= 4) {
    std::array<double, 4> split{};
    std::copy(splits.begin(), splits.end(), split.begin());
    const auto ends = ends_of_four(rng.words(index), split, range, double(copies));
    return OwnedShare{.lo = member == 0 ? 0.0 : ends[member - 1], .hi = ends[member]};
  }
  std::array<std::uint32_t, 4> words{};
  const auto one_and_noise = [&](std::size_t m) {
    if (m % 4 == 0) words = rng.words(index | std::uint64_t(m / 4) << 48);
    return std::fma(range, unit_noise(words[m % 4]), 1.0);
  };
  double mean = 0;
  for (std::size_t m = 0; m < copies; ++m) mean = std::fma(splits[m], one_and_noise(m), mean);
  OwnedShare share{.lo = 0, .hi = 0};
  for (std::size_t m = 0; m <= member; ++m) {
    share.lo = share.hi;
    share.hi = std::fma(splits[m], 1 + one_and_noise(m) - mean, share.hi);
  }
  if (member + 1 == copies) share.hi = 1;
  return share;
}

}  // namespace modelgrow::inline v0::detail
