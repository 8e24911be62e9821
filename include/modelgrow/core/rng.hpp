// SPDX-License-Identifier: MIT
// Counter-based random numbers (Philox 4x32-10, Salmon et al. 2011): value i of a stream is a pure function of
// (seed, stream, i), so results do not depend on threads, order or resumption.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace modelgrow::inline v0 {

/// Stable 64-bit hash of a name (FNV-1a), for streams keyed by parameter path.
constexpr std::uint64_t hash_name(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325ull;
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return h;
}

/// One stream of random numbers, addressed by index.
class Rng {
 public:
  constexpr explicit Rng(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  /// Four 32-bit words for counter i.
  constexpr std::array<std::uint32_t, 4> words(std::uint64_t i) const {
    std::array<std::uint32_t, 4> c{std::uint32_t(i), std::uint32_t(i >> 32), std::uint32_t(stream_),
                                   std::uint32_t(stream_ >> 32)};
    std::uint32_t k0 = std::uint32_t(seed_), k1 = std::uint32_t(seed_ >> 32);
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = 0xD2511F53ull * c[0], p1 = 0xCD9E8D57ull * c[2];
      c = {std::uint32_t(p1 >> 32) ^ c[1] ^ k0, std::uint32_t(p1), std::uint32_t(p0 >> 32) ^ c[3] ^ k1,
           std::uint32_t(p0)};
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return c;
  }
  constexpr std::uint64_t bits(std::uint64_t i) const {
    const auto w = words(i);
    return (std::uint64_t(w[0]) << 32) | w[1];
  }
  /// Uniform in [0, 1) with 53 bits.
  constexpr double uniform(std::uint64_t i) const { return double(bits(i) >> 11) * 0x1p-53; }
  /// Uniform integer in [0, n), n > 0.
  constexpr std::uint64_t below(std::uint64_t i, std::uint64_t n) const { return bits(i) % n; }
  /// Standard normal (Box-Muller).
  double normal(std::uint64_t i) const {
    const auto w = words(i);
    const double u = (double((std::uint64_t(w[0]) << 21) ^ (w[1] >> 11)) + 0.5) * 0x1p-53;
    const double v = double((std::uint64_t(w[2]) << 21) ^ (w[3] >> 11)) * 0x1p-53;
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
  }

 private:
  std::uint64_t seed_, stream_;
};

}  // namespace modelgrow::inline v0
