// SPDX-License-Identifier: MIT
// Runs of elements: read from a stored tensor, multiplied or divided among copies, stored. Plain loops over short
// arrays without branches, which compilers vectorise.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include <modelgrow/core/dtype.hpp>
#include <modelgrow/grow/symmetry.hpp>

namespace modelgrow::inline v0::detail {

/// A run is at most this long, so that all that it needs stays in the nearest cache.
inline constexpr std::int64_t run_length = 256;
template <class V>
using RunOf = std::array<V, std::size_t(run_length)>;

/// Element i of a tensor in a file, whose bytes need not be aligned.
template <Element T>
double stored(const std::byte* data, std::int64_t i) {
  T x;
  std::memcpy(&x, data + sizeof(T) * std::size_t(i), sizeof(T));
  return element_cast<double>(x);
}

/// A number that the type holds, as it holds it; without the steps of rounding, which would find nothing to do.
template <Element T>
T held(double x) {
  if constexpr (std::same_as<T, bf16>) {
    bf16 out;
    out.bits = std::uint16_t(std::bit_cast<std::uint32_t>(static_cast<float>(x)) >> 16);
    return out;
  } else {
    return element_cast<T>(x);
  }
}

/// New indices [at, at + n) of an axis are the old ones from `from` on.
struct Stretch {
  std::int64_t at = 0, from = 0, n = 0;
};
/// An index map as stretches of neighbours.
inline std::vector<Stretch> stretches_of(std::span<const std::int64_t> map) {
  std::vector<Stretch> all;
  for (std::size_t j = 0; j < map.size(); ++j)
    if (!all.empty() && map[j] == all.back().from + all.back().n)
      ++all.back().n;
    else
      all.push_back(Stretch{.at = std::int64_t(j), .from = map[j], .n = 1});
  return all;
}

/// Of the elements of a row whose copies all take a power of two: what each takes, and the least that one of its copies
/// takes.
struct PowersOfTwo {
  std::vector<float> factor, smallest, inverse;  // inverse: of the smallest

  void add(double f, double least) {
    factor.push_back(float(f));
    smallest.push_back(float(least));
    inverse.push_back(float(1 / least));
  }
};

/// Loops over elements of one storage type, any number of them.
template <Element T>
struct Elements {
  static void load(const std::byte* data, std::int64_t n, double* x) {
    for (std::int64_t k = 0; k < n; ++k) x[k] = stored<T>(data, k);
  }
  static void gather(const std::byte* data, const std::int64_t* at, std::int64_t n, double* x) {
    for (std::int64_t k = 0; k < n; ++k) x[k] = stored<T>(data, at[k]);
  }
  static void store(const double* x, std::int64_t n, T* out) {
    for (std::int64_t k = 0; k < n; ++k) out[k] = element_cast<T>(x[k]);
  }
  /// x * scale as T holds it; 1 leaves it alone, 0 leaves nothing, not even of what is no number.
  static void rescale(double* x, const double* scale, double common, std::int64_t n) {
    for (std::int64_t k = 0; k < n; ++k) {
      const double s = scale[k] * common, y = element_cast<double>(element_cast<T>(x[k] * s));
      x[k] = select(s == 1, x[k], select(s == 0, 0.0, y));
    }
  }
  static void multiply(const double* x, const double* factor, std::int64_t n, T* out) {
    for (std::int64_t k = 0; k < n; ++k) out[k] = element_cast<T>(x[k] * factor[k]);
  }
  /// Stored elements times powers of two, `factor[k] * common`; whether that is exact for all of them, down to the
  /// smallest factor of any copy of their weights.
  static bool scale(const std::byte* data, const PowersOfTwo& by, std::int64_t j, double common, double smallest,
                    std::int64_t n, T* out) {
    using Number = std::conditional_t<std::same_as<T, double>, double, float>;
    const float *factor = by.factor.data() + j, *least = by.smallest.data() + j, *most = by.inverse.data() + j;
    const auto common_factor = Number(common), common_least = Number(smallest), common_most = 1 / common_least;
    std::int32_t inexact = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      T stored;
      std::memcpy(&stored, data + sizeof(T) * std::size_t(k), sizeof stored);
      const auto x = element_cast<Number>(stored);
      const auto part = element_cast<Number>(element_cast<T>(x * (Number(least[k]) * common_least)));
      inexact += part * (Number(most[k]) * common_most) != x;
      out[k] = element_cast<T>(x * (Number(factor[k]) * common_factor));
    }
    return inexact == 0;
  }
  /// Whether all products with powers of two are exact, for all copies of their weights.
  static bool all_divide(const double* x, const double* smallest, std::int64_t n) {
    std::int64_t uneven = 0;
    for (std::int64_t k = 0; k < n; ++k) uneven += !divides<T>(x[k], smallest[k]);
    return uneven == 0;
  }
  /// part_of every element.
  static void parts(const double* x, const double* lo, const double* hi, const std::int64_t* finer,
                    std::int64_t common_finer, std::int64_t n, T* out) {
    for (std::int64_t k = 0; k < n; ++k)
      out[k] = held<T>(part_of<T>(x[k], OwnedShare{.lo = lo[k], .hi = hi[k]}, finer[k] + common_finer));
  }
  /// scaled_or_part of every element; with `smallest` 0 its part.
  static void divide(const double* x, const double* factor, const double* smallest, const double* lo, const double* hi,
                     const std::int64_t* finer, std::int64_t n, T* out) {
    for (std::int64_t k = 0; k < n; ++k)
      out[k] = element_cast<T>(
          scaled_or_part<T>(x[k], factor[k], smallest[k], OwnedShare{.lo = lo[k], .hi = hi[k]}, finer[k]));
  }
};

/// Weights that up to four copies share unevenly: their numbers, and where the shares of the copies end.
struct NoisyGroups {
  std::vector<std::int64_t> number;
  std::vector<double> range, copies;
  std::array<std::vector<double>, 4> split;  // zero behind the copies
  bool pairs = true;                         // no weight has more copies than two

  std::size_t size() const { return number.size(); }
  void add(std::int64_t n, double spread, std::span<const double> splits) {
    number.push_back(n);
    range.push_back(spread);
    copies.push_back(double(splits.size()));
    for (std::size_t m = 0; m < 4; ++m) split[m].push_back(m < splits.size() ? splits[m] : 0.0);
    pairs = pairs && splits.size() <= 2;
  }
  /// Begin of the first share, then the end of each: five runs of size() numbers, three of pairs. Numbers count from
  /// `first`.
  void draw(const Rng& rng, std::int64_t first, double* ends) const {
    const auto groups = std::int64_t(size());
    std::fill_n(ends, groups, 0.0);
    double *e1 = ends + groups, *e2 = e1 + groups, *e3 = e2 + groups, *e4 = e3 + groups;
    if (pairs) {
      std::fill_n(e2, groups, 1.0);
      return draw_pairs(rng, first, e1);
    }
    for (std::int64_t begin = 0; begin < groups; begin += run_length) {
      const std::int64_t n = std::min(run_length, groups - begin);
      RunOf<std::uint32_t> w0, w1, w2, w3;
      for (std::int64_t k = 0; k < n; ++k) {
        const auto w = rng.words(std::uint64_t(first + number[std::size_t(begin + k)]));
        const auto i = std::size_t(k);
        w0[i] = w[0], w1[i] = w[1], w2[i] = w[2], w3[i] = w[3];
      }
      const double *r = range.data() + begin, *c = copies.data() + begin, *s0 = split[0].data() + begin,
                   *s1 = split[1].data() + begin, *s2 = split[2].data() + begin, *s3 = split[3].data() + begin;
      for (std::int64_t k = 0; k < n; ++k) {
        const auto i = std::size_t(k);
        const auto e = ends_of_four({w0[i], w1[i], w2[i], w3[i]}, {s0[k], s1[k], s2[k], s3[k]}, r[k], c[k]);
        e1[begin + k] = e[0], e2[begin + k] = e[1], e3[begin + k] = e[2], e4[begin + k] = e[3];
      }
    }
  }

 private:
  void draw_pairs(const Rng& rng, std::int64_t first, double* end) const {
    const auto groups = std::int64_t(size());
    for (std::int64_t begin = 0; begin < groups; begin += run_length) {
      const std::int64_t n = std::min(run_length, groups - begin);
      RunOf<std::uint32_t> w0, w1;
      for (std::int64_t k = 0; k < n; ++k) {
        const auto w = rng.words(std::uint64_t(first + number[std::size_t(begin + k)]));
        w0[std::size_t(k)] = w[0], w1[std::size_t(k)] = w[1];
      }
      const double *r = range.data() + begin, *s0 = split[0].data() + begin, *s1 = split[1].data() + begin;
      for (std::int64_t k = 0; k < n; ++k)
        end[begin + k] = end_of_first(w0[std::size_t(k)], w1[std::size_t(k)], s0[k], s1[k], r[k]);
    }
  }
};

/// Replaces shares by shares of them.
inline void nest(double* lo, double* hi, const double* inner_lo, const double* inner_hi, std::int64_t n) {
  for (std::int64_t k = 0; k < n; ++k) {
    const OwnedShare outer{.lo = lo[k], .hi = hi[k]};
    lo[k] = within(outer, inner_lo[k]);
    hi[k] = within(outer, inner_hi[k]);
  }
}

}  // namespace modelgrow::inline v0::detail
