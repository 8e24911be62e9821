// SPDX-License-Identifier: MIT
// Dividing a weight among the copies of a column so that the parts add up to it bit for bit in its own storage type.
// A weight is the interval [0, 1] of itself; each copy owns a sub-interval whose ends are rounded once, so
// neighbours agree on them and the sum telescopes, whatever the number of copies, the splits or the noise.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include <modelgrow/core/dtype.hpp>

namespace modelgrow::inline v0::detail {

/// The sub-interval of a weight that one copy owns.
struct Share {
  double lo = 0, hi = 1;
  bool whole() const { return lo <= 0 && hi >= 1; }
};

/// Point t of [0, 1] seen inside a share; its ends are hit exactly.
inline double within(const Share& s, double t) {
  return t <= 0 ? s.lo : t >= 1 ? s.hi : std::fma(s.hi - s.lo, t, s.lo);
}
/// A share of a share.
inline Share nest(const Share& outer, const Share& inner) {
  return Share{.lo = within(outer, inner.lo), .hi = within(outer, inner.hi)};
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
inline int exponent_of(double x) { return int((std::bit_cast<std::uint64_t>(x) >> 52) & 0x7ff) - 1023; }
/// 2^e for |e| <= 1022.
inline double power_of_two(int e) { return std::bit_cast<double>(std::uint64_t(e + 1023) << 52); }

/// The part of weight w (a number of type T) that `share` owns; always a number of type T.
/// Parts are multiples of a grid that divides w: the spacing of T at w, made 2^finer times finer. `finer` must be such
/// that no share of the weight exceeds 2^-finer; then every part has few enough digits for T.
template <Element T>
double part_of(double w, const Share& share, int finer) {
  using Grid = StorageGrid<T>;
  if (share.whole() || !std::isfinite(w)) return w;
  const int grid = std::max(exponent_of(w) - (Grid::digits - 1) - finer, Grid::smallest);
  const double steps = w * power_of_two(-grid);
  const double hi = share.hi >= 1 ? steps : std::nearbyint(share.hi * steps);
  const double lo = share.lo <= 0 ? 0.0 : std::nearbyint(share.lo * steps);
  return (hi - lo) * power_of_two(grid);
}

/// w times a power of two where that is exact for `factor` and for every other copy (down to `smallest`, also a power
/// of two); otherwise (underflow) the part that `share` owns.
template <Element T>
double scaled_or_part(double w, double factor, double smallest, const Share& share, int finer) {
  const auto stored = [](double x) {
    if constexpr (std::same_as<T, double>)
      return x;
    else
      return double(float(T(float(x))));
  };
  const double least = stored(w * smallest);
  return least == w * smallest && least * (1.0 / smallest) == w ? w * factor : part_of<T>(w, share, finer);
}

}  // namespace modelgrow::inline v0::detail
