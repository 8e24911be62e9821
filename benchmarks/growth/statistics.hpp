// SPDX-License-Identifier: MIT
// What few seeds tell: means, intervals by Student's t, differences paired by seed.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numbers>
#include <span>
#include <vector>

namespace growth {

/// Probability that Student's t with so many degrees of freedom lies within [-t, t]. The finite sums of Abramowitz and
/// Stegun 26.7.3 and 26.7.4.
inline double student_within(double t, std::int64_t freedom) {
  const double angle = std::atan(t / std::sqrt(double(freedom))), cosine = std::cos(angle);
  const bool odd = freedom % 2 != 0;
  double term = odd ? cosine : 1, sum = freedom == 1 ? 0 : term;
  for (std::int64_t k = odd ? 3 : 2; k < freedom - 1; k += 2) {
    term *= cosine * cosine * double(k - 1) / double(k);
    sum += term;
  }
  return odd ? 2 / std::numbers::pi * (angle + std::sin(angle) * sum) : std::sin(angle) * sum;
}

/// The t within which Student's t lies with this probability; infinite without degrees of freedom.
inline double student_quantile(double probability, std::int64_t freedom) {
  if (freedom < 1) return std::numeric_limits<double>::infinity();
  double low = 0, high = 1;
  while (student_within(high, freedom) < probability) high *= 2;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (student_within(middle, freedom) < probability ? low : high) = middle;
  }
  return (low + high) / 2;
}

/// A mean, its 95 % interval mean +- half, and the interval mean +- next of one value more; both infinite for a single
/// value.
struct Interval {
  std::int64_t count = 0;
  double mean = std::numeric_limits<double>::quiet_NaN(), half = std::numeric_limits<double>::infinity(), next = half;

  double low() const { return mean - half; }
  double high() const { return mean + half; }
  /// Whether the interval of the mean lies on one side of 0.
  bool excludes_zero() const { return low() > 0 || high() < 0; }
};

inline Interval interval_of(std::span<const double> values) {
  Interval i{.count = std::int64_t(values.size())};
  if (values.empty()) return i;
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  i.mean = sum / double(values.size());
  if (values.size() == 1) return i;
  for (const double v : values) squares += (v - i.mean) * (v - i.mean);
  const double deviation = std::sqrt(squares / double(values.size() - 1)), n = double(values.size());
  const double t = student_quantile(0.95, i.count - 1);
  i.half = t * deviation / std::sqrt(n);
  i.next = t * deviation * std::sqrt(1 + 1 / n);
  return i;
}

/// Values by seed.
using BySeed = std::map<std::uint64_t, double>;

inline Interval interval_of(const BySeed& values) {
  std::vector<double> list;
  for (const auto& [seed, value] : values) list.push_back(value);
  return interval_of(list);
}

/// a - b over the seeds that both have.
inline Interval paired_difference(const BySeed& a, const BySeed& b) {
  std::vector<double> differences;
  for (const auto& [seed, value] : a)
    if (const auto other = b.find(seed); other != b.end()) differences.push_back(value - other->second);
  return interval_of(differences);
}

}  // namespace growth
