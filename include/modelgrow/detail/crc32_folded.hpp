// SPDX-License-Identifier: MIT
// CRC-32 by carry-less products of 64 bits, on processors of the kind x86-64 that have them (Gopal et al., "Fast CRC
// Computation for Generic Polynomials Using PCLMULQDQ Instruction", 2009): ten times as fast as tables.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <modelgrow/detail/crc32_tables.hpp>
#if defined(__x86_64__)
#include <immintrin.h>
#define MODELGROW_WITH_PRODUCTS __attribute__((target("pclmul,sse4.1")))
#endif

namespace modelgrow::inline v0::detail {

/// x^n modulo the polynomial; the coefficient of x^0 is the highest bit.
constexpr std::uint32_t crc32_power_of_x(int n) {
  std::uint32_t power = std::uint32_t{1} << 31;
  for (; n > 0; --n) power = power >> 1 ^ (power & 1 ? 0xEDB88320u : 0u);
  return power;
}

/// What 16 bytes are multiplied by, eight and eight, to stand `bits` further back. Products of reflected numbers come
/// out one bit too low, and 32 bits of the factor are those of the remainder.
struct Crc32Step {
  std::int64_t first, second;
  constexpr explicit Crc32Step(int bits)
      : first(std::int64_t(crc32_power_of_x(bits + 32)) << 1), second(std::int64_t(crc32_power_of_x(bits - 32)) << 1) {}
};

#if defined(__x86_64__)

MODELGROW_WITH_PRODUCTS inline __m128i crc32_moved(__m128i bytes, __m128i step) {
  return _mm_xor_si128(_mm_clmulepi64_si128(bytes, step, 0x00), _mm_clmulepi64_si128(bytes, step, 0x11));
}

/// The state behind some bytes: at least 64, a multiple of 16.
MODELGROW_WITH_PRODUCTS inline std::uint32_t crc32_of_sixteens(std::uint32_t state, std::span<const std::byte> bytes) {
  constexpr Crc32Step far(512), near(128);
  const __m128i by_64 = _mm_set_epi64x(far.second, far.first), by_16 = _mm_set_epi64x(near.second, near.first);
  const auto* next = reinterpret_cast<const __m128i*>(bytes.data());
  const auto* end = next + bytes.size() / 16;
  __m128i a = _mm_loadu_si128(next), b = _mm_loadu_si128(next + 1), c = _mm_loadu_si128(next + 2),
          d = _mm_loadu_si128(next + 3);
  a = _mm_xor_si128(a, _mm_cvtsi32_si128(int(state)));
  for (next += 4; end - next >= 4; next += 4) {
    a = _mm_xor_si128(crc32_moved(a, by_64), _mm_loadu_si128(next));
    b = _mm_xor_si128(crc32_moved(b, by_64), _mm_loadu_si128(next + 1));
    c = _mm_xor_si128(crc32_moved(c, by_64), _mm_loadu_si128(next + 2));
    d = _mm_xor_si128(crc32_moved(d, by_64), _mm_loadu_si128(next + 3));
  }
  b = _mm_xor_si128(crc32_moved(a, by_16), b);
  c = _mm_xor_si128(crc32_moved(b, by_16), c);
  d = _mm_xor_si128(crc32_moved(c, by_16), d);
  for (; next != end; ++next) d = _mm_xor_si128(crc32_moved(d, by_16), _mm_loadu_si128(next));
  std::byte rest[16];  // which, as a text of their own, end in the same state
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), d);
  return crc32_word(crc32_word(0, rest), rest + 8);
}

/// Takes the state over as many of the bytes as it can; the others.
inline std::span<const std::byte> crc32_fold(std::uint32_t& state, std::span<const std::byte> bytes) {
  static const bool has_products = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  const std::size_t taken = has_products && bytes.size() >= 64 ? bytes.size() / 16 * 16 : 0;
  if (taken > 0) state = crc32_of_sixteens(state, bytes.first(taken));
  return bytes.subspan(taken);
}

#else

inline std::span<const std::byte> crc32_fold(std::uint32_t&, std::span<const std::byte> bytes) { return bytes; }

#endif

}  // namespace modelgrow::inline v0::detail
