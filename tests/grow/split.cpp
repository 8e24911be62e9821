// SPDX-License-Identifier: MIT
// The parts of a weight add up to it bit for bit, in every storage type, for every split, with and without noise.
#include <cmath>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/grow/split.hpp>
#include <modelgrow/grow/symmetry.hpp>
#include <numeric>

#include "tests/support/catch.hpp"
#include "tiny.hpp"

using namespace modelgrow;
using modelgrow::detail::OwnedShare;

namespace {

/// All bit patterns of 16-bit types; many of the wider ones, over all exponents.
template <Element T, class F>
void for_values(F&& f) {
  if constexpr (sizeof(T) == 2) {
    for (std::uint32_t b = 0; b < 0x10000; ++b) f(modelgrow::element_cast<double>(std::bit_cast<T>(std::uint16_t(b))));
  } else {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    const Rng rng(3, sizeof(T));
    for (std::uint64_t i = 0; i < 20000; ++i) f(modelgrow::element_cast<double>(std::bit_cast<T>(Bits(rng.bits(i)))));
    for (std::uint64_t i = 0; i < 2000; ++i) f(modelgrow::element_cast<double>(T(0.02 * rng.normal(i))));
    for (Bits b = 0; b < 1000; ++b) f(modelgrow::element_cast<double>(std::bit_cast<T>(b)));
  }
}

}  // namespace

TEMPLATE_TEST_CASE("parts add up exactly", "", double, float, f16, bf16) {
  for (std::size_t copies : {2u, 3u, 4u, 5u, 7u, 16u, 33u})
    for (double db : {0.0, 10.0, 20.0, 40.0}) {
      const std::vector<double> splits(copies, 1.0 / double(copies));
      const double range = db > 0 ? modelgrow::detail::noise_range(splits, db) : 0;
      double most = 0;
      for (double s : splits) most = std::max(most, modelgrow::detail::noise_headroom(s, range));
      const int finer = std::max(0, int(std::floor(-std::log2(most * (1 + 1e-9)))));
      std::uint64_t index = 0;
      std::int64_t wrong = 0, unstored = 0, uneven = 0, backwards = 0;
      for_values<TestType>([&](double w) {
        ++index;
        if (!std::isfinite(w)) return;
        double sum = 0, lo = 0;
        for (std::size_t k = 0; k < copies; ++k) {
          OwnedShare share{.lo = lo, .hi = k + 1 == copies ? 1.0 : lo + splits[k]};
          if (db > 0) share = modelgrow::detail::noisy_share(Rng(1), index, splits, range, k);
          backwards += share.hi < share.lo;
          const double part = modelgrow::detail::part_of<TestType>(w, share, finer);
          unstored += modelgrow::element_cast<double>(modelgrow::element_cast<TestType>(part)) != part;
          uneven += std::abs(part) > std::abs(w) && std::abs(w) > 0x1p-940;
          sum += part;
          lo = share.hi;
        }
        wrong += sum != w;
      });
      INFO(copies << " copies, " << db << " dB");
      CHECK(wrong == 0);
      CHECK(unstored == 0);
      CHECK(uneven == 0);
      CHECK(backwards == 0);
    }
}

TEMPLATE_TEST_CASE("dyadic splits are the plain products wherever those are exact", "", double, float, f16, bf16) {
  const double normal = std::same_as<TestType, double> ? 0x1p-1022 : std::same_as<TestType, f16> ? 0x1p-14 : 0x1p-126;
  std::int64_t other = 0, needless = 0, wrong = 0;
  for_values<TestType>([&](double w) {
    if (!std::isfinite(w)) return;
    // Splits 1/2, 1/4, 1/4.
    const OwnedShare shares[] = {{.lo = 0, .hi = 0.5}, {.lo = 0.5, .hi = 0.75}, {.lo = 0.75, .hi = 1}};
    const double factor[] = {0.5, 0.25, 0.25};
    double sum = 0;
    for (int k = 0; k < 3; ++k) {
      const double part = modelgrow::detail::scaled_or_part<TestType>(w, factor[k], 0.25, shares[k], 1);
      wrong += modelgrow::element_cast<double>(modelgrow::element_cast<TestType>(part)) != part;
      other += part != w * factor[k];
      needless += part != w * factor[k] && std::abs(w) >= 4 * normal;
      sum += part;
    }
    wrong += sum != w;
  });
  CHECK(wrong == 0);
  CHECK(needless == 0);
  CHECK(other > 0);  // subnormal parts, which a plain product would round
}

TEST_CASE("values that are no numbers pass through") {
  CHECK(std::isnan(modelgrow::detail::part_of<float>(NAN, OwnedShare{.lo = 0, .hi = 0.3}, 0)));
  CHECK(modelgrow::detail::part_of<float>(INFINITY, OwnedShare{.lo = 0, .hi = 0.3}, 0) == INFINITY);
  CHECK(modelgrow::detail::part_of<bf16>(0.0, OwnedShare{.lo = 0.2, .hi = 0.3}, 0) == 0);
}

TEST_CASE("noise has the asked strength, no mean, and depends on nothing but its counter") {
  const std::vector<double> splits{0.5, 0.25, 0.25};
  const double range = modelgrow::detail::noise_range(splits, 20);
  double power = 0, signal = 0, mean = 0;
  const Rng rng(9, 4);
  for (std::uint64_t i = 0; i < 20000; ++i)
    for (std::size_t k = 0; k < 3; ++k) {
      const auto share = modelgrow::detail::noisy_share(rng, i, splits, range, k);
      const double d = share.hi - share.lo - splits[k];
      power += d * d;
      mean += d;
      signal += splits[k] * splits[k];
    }
  CHECK_THAT(10 * std::log10(power / signal), WithinAbs(-20, 0.1));
  CHECK(std::abs(mean) < 1e-9);
}
