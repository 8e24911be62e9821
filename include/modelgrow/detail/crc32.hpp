// SPDX-License-Identifier: MIT
// The checksum of zip archives: CRC-32 (ISO 3309, polynomial 0xEDB88320), eight bytes at a time.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace modelgrow::inline v0::detail {

/// Table k moves one byte over k more bytes of zeros.
inline constexpr auto crc32_tables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0u);
    tables[0][i] = value;
  }
  for (std::size_t k = 1; k < tables.size(); ++k)
    for (std::size_t i = 0; i < 256; ++i) tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 0xFF];
  return tables;
}();

/// The checksum of what came before, 0 at first, and these bytes. Little-endian machines only.
inline std::uint32_t crc32(std::uint32_t before, std::span<const std::byte> bytes) {
  const auto& table = crc32_tables;
  std::uint32_t crc = ~before;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    std::uint32_t low = 0, high = 0;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + 4, 4);
    low ^= crc;
    crc = table[7][low & 0xFF] ^ table[6][low >> 8 & 0xFF] ^ table[5][low >> 16 & 0xFF] ^ table[4][low >> 24] ^
          table[3][high & 0xFF] ^ table[2][high >> 8 & 0xFF] ^ table[1][high >> 16 & 0xFF] ^ table[0][high >> 24];
  }
  for (; left > 0; --left, ++at) crc = crc >> 8 ^ table[0][(crc ^ std::uint32_t(*at)) & 0xFF];
  return ~crc;
}

/// The checksum of two texts, one behind the other, from theirs and the length of the second.
inline std::uint32_t crc32_joined(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes) {
  // Polynomials over two elements modulo that of the checksum, the coefficient of x^0 in the highest bit.
  const auto times = [](std::uint32_t a, std::uint32_t b) {
    std::uint32_t product = 0;
    for (; a; a <<= 1, b = b >> 1 ^ (b & 1 ? 0xEDB88320u : 0u))
      if (a >> 31) product ^= b;
    return product;
  };
  std::uint32_t shift = std::uint32_t{1} << 31, power = std::uint32_t{1} << 23;  // 1, and x^8: one byte
  for (std::uint64_t n = second_bytes; n > 0; n >>= 1, power = times(power, power))
    if (n & 1) shift = times(power, shift);
  return times(shift, first) ^ second;
}

}  // namespace modelgrow::inline v0::detail
