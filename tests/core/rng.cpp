// SPDX-License-Identifier: MIT
// Philox 4x32-10 against the published vectors (Random123, kat_vectors), and the statistics of what is made of it.
#include <cmath>
#include <set>
#include <vector>

#include <modelgrow/core/rng.hpp>
#include <tests/support/catch.hpp>

using namespace modelgrow;
using Words = std::array<std::uint32_t, 4>;

TEST_CASE("published vectors") {
  CHECK(Rng(0, 0).words(0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(Rng(~0ull, ~0ull).words(~0ull) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  // counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0 (digits of pi)
  CHECK(Rng(0x299f31d0a4093822, 0x0370734413198a2e).words(0x85a308d3243f6a88) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  static_assert(Rng(0).words(0)[0] == 0x6627e8d5);
}

TEST_CASE("uniform numbers fill [0, 1) evenly") {
  const int n = 1 << 18, bins = 64;
  const Rng rng(1, hash_name("uniform"));
  std::vector<int> count(bins, 0);
  double sum = 0, squares = 0, lag = 0, before = 0.5;
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform(std::uint64_t(i));
    REQUIRE(u >= 0.0);
    REQUIRE(u < 1.0);
    ++count[std::size_t(u * bins)];
    sum += u;
    squares += u * u;
    lag += (u - 0.5) * (before - 0.5);
    before = u;
  }
  // five standard errors
  CHECK_THAT(sum / n, WithinAbs(0.5, 5 * std::sqrt(1.0 / 12 / n)));
  CHECK_THAT(squares / n, WithinAbs(1.0 / 3, 5 * std::sqrt(4.0 / 45 / n)));
  CHECK_THAT(lag / n, WithinAbs(0.0, 5 * (1.0 / 12) / std::sqrt(n)));
  double chi = 0;
  for (int c : count) chi += (c - double(n) / bins) * (c - double(n) / bins) / (double(n) / bins);
  CHECK_THAT(chi, WithinAbs(bins - 1, 5 * std::sqrt(2.0 * (bins - 1))));
}

TEST_CASE("normal numbers have the moments of the normal distribution") {
  const int n = 1 << 18;
  const Rng rng(1, hash_name("normal"));
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, beyond = 0;
  for (int i = 0; i < n; ++i) {
    const double x = rng.normal(std::uint64_t(i));
    REQUIRE(std::isfinite(x));
    m1 += x;
    m2 += x * x;
    m3 += x * x * x;
    m4 += x * x * x * x;
    beyond += std::fabs(x) > 1.959963985;
  }
  CHECK_THAT(m1 / n, WithinAbs(0, 5 / std::sqrt(n)));
  CHECK_THAT(m2 / n, WithinAbs(1, 5 * std::sqrt(2.0 / n)));
  CHECK_THAT(m3 / n, WithinAbs(0, 5 * std::sqrt(15.0 / n)));
  CHECK_THAT(m4 / n, WithinAbs(3, 5 * std::sqrt(96.0 / n)));
  CHECK_THAT(beyond / n, WithinAbs(0.05, 5 * std::sqrt(0.05 * 0.95 / n)));
}

TEST_CASE("streams and seeds are unrelated") {
  const int n = 1 << 16;
  double streams = 0, seeds = 0;
  for (int i = 0; i < n; ++i) {
    const auto k = std::uint64_t(i);
    streams += Rng(1, 0).normal(k) * Rng(1, 1).normal(k);
    seeds += Rng(1, 0).normal(k) * Rng(2, 0).normal(k);
  }
  CHECK_THAT(streams / n, WithinAbs(0, 5 / std::sqrt(n)));
  CHECK_THAT(seeds / n, WithinAbs(0, 5 / std::sqrt(n)));
}

TEST_CASE("integers below n take every value") {
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto k = Rng(5).below(i, 10);
    REQUIRE(k < 10);
    seen.insert(k);
    CHECK(Rng(5).below(i, 1) == 0);
  }
  CHECK(seen.size() == 10);
}

TEST_CASE("names hash to FNV-1a") {
  static_assert(hash_name("") == 0xcbf29ce484222325ull);
  static_assert(hash_name("a") == 0xaf63dc4c8601ec8cull);
  static_assert(hash_name("foobar") == 0x85944171f73967e8ull);
  CHECK(hash_name("\xFF") == (0xcbf29ce484222325ull ^ 0xFF) * 0x100000001b3ull);  // bytes, not signed characters
}
