// SPDX-License-Identifier: MIT
// Dividing a weight among the copies of a column so that the parts add up to it bit for bit in its own storage type.
// A weight is the interval [0, 1] of itself; each copy owns a sub-interval whose ends are rounded once, so
// neighbours agree on them and the sum telescopes, whatever the number of copies, the splits or the noise.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <modelgrow/core/dtype.hpp>

namespace modelgrow::inline v0::detail {

/// The sub-interval of a weight that one copy owns.
struct OwnedShare {
  double lo = 0, hi = 1;
  bool whole() const { return (lo <= 0) & (hi >= 1); }
};

/// c ? a : b without a branch, which compilers would not vectorise.
inline double select(bool c, double a, double b) {
  const std::uint64_t mask = -std::uint64_t(c);
  return std::bit_cast<double>((std::bit_cast<std::uint64_t>(a) & mask) | (std::bit_cast<std::uint64_t>(b) & ~mask));
}

/// Point t of [0, 1] seen inside a share; its ends are hit exactly.
inline double within(const OwnedShare& s, double t) {
  return select(t <= 0, s.lo, select(t >= 1, s.hi, std::fma(s.hi - s.lo, t, s.lo)));
}
/// A share of a share.
inline OwnedShare nest(const OwnedShare& outer, const OwnedShare& inner) {
  return OwnedShare{.lo = within(outer, inner.lo), .hi = within(outer, inner.hi)};
}

/// Significant bits of a storage type, and the exponent of its smallest positive number.
template <Element T>
struct StorageGrid;
template <>
struct StorageGrid<double> {
  static constexpr int digits = 53, smallest = -1000;  // clamped so that 2^-smallest exists; finer weights go whole
};
template <>
struct StorageGrid<float> {
  static constexpr int digits = 24, smallest = -149;
};
template <>
struct StorageGrid<bf16> {
  static constexpr int digits = 8, smallest = -133;
};
template <>
struct StorageGrid<f16> {
  static constexpr int digits = 11, smallest = -24;
};

/// floor(log2 |x|) of a normal x; something below -1000 for zero and subnormals.
inline std::int64_t exponent_of(double x) {
  return std::int64_t((std::bit_cast<std::uint64_t>(x) >> 52) & 0x7ff) - 1023;
}
/// 2^e for |e| <= 1022.
inline double power_of_two(std::int64_t e) { return std::bit_cast<double>(std::uint64_t(e + 1023) << 52); }

/// The part of weight w (a number of type T) that `share` owns; always a number of type T.
/// Parts are multiples of a grid that divides w: the spacing of T at w, made 2^finer times finer. `finer` must be such
/// that no share of the weight exceeds 2^-finer; then every part has few enough digits for T. Without branches and
/// always in line, so that loops vectorise.
template <Element T>
[[gnu::always_inline]] inline double part_of(double w, const OwnedShare& share, std::int64_t finer) {
  using Grid = StorageGrid<T>;
  const std::int64_t wanted = exponent_of(w) - (Grid::digits - 1) - finer, least = Grid::smallest;
  const std::int64_t grid = wanted > least ? wanted : least;
  const double steps = w * power_of_two(-grid);
  const double hi = select(share.hi >= 1, steps, std::nearbyint(share.hi * steps));
  const double lo = select(share.lo <= 0, 0.0, std::nearbyint(share.lo * steps));
  const bool whole = share.whole() | !(std::abs(w) <= std::numeric_limits<double>::max());
  return select(whole, w, (hi - lo) * power_of_two(grid));
}

/// Whether w times a power of two `smallest` <= 1 is a number of type T, and so are all multiples on the way to w.
template <Element T>
bool divides(double w, double smallest) {
  const double product = w * smallest;
  double stored = product;
  if constexpr (!std::same_as<T, double>) stored = double(float(T(float(product))));
  return (stored == product) & (stored * (1.0 / smallest) == w);
}

/// w times a power of two where that is exact for `factor` and for every other copy (down to `smallest`, also a power
/// of two); otherwise (underflow) the part that `share` owns.
template <Element T>
double scaled_or_part(double w, double factor, double smallest, const OwnedShare& share, std::int64_t finer) {
  return select(divides<T>(w, smallest), w * factor, part_of<T>(w, share, finer));
}

}  // namespace modelgrow::inline v0::detail
