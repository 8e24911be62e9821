// SPDX-License-Identifier: MIT
// The checksum of zip archives, CRC-32.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <modelgrow/detail/crc32_folded.hpp>
#include <modelgrow/detail/crc32_tables.hpp>

namespace modelgrow::inline v0::detail {

/// The checksum of two texts, one behind the other, from theirs and the length of the second.
inline std::uint32_t crc32_joined(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes) {
  const auto times = [](std::uint32_t a, std::uint32_t b) {
    std::uint32_t product = 0;
    for (; a; a <<= 1, b = b >> 1 ^ (b & 1 ? 0xEDB88320u : 0u))
      if (a >> 31) product ^= b;
    return product;
  };
  std::uint32_t shift = crc32_power_of_x(0), power = crc32_power_of_x(8);
  for (std::uint64_t n = second_bytes; n > 0; n >>= 1, power = times(power, power))
    if (n & 1) shift = times(power, shift);
  return times(shift, first) ^ second;
}

/// The checksum of what came before, 0 at first, and these bytes. Little-endian machines only.
inline std::uint32_t crc32(std::uint32_t before, std::span<const std::byte> bytes) {
  std::uint32_t state = ~before;
  bytes = crc32_fold(state, bytes);
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) state = crc32_word(state, bytes.data());
  for (const std::byte b : bytes) state = crc32_byte(state, b);
  return ~state;
}

}  // namespace modelgrow::inline v0::detail
