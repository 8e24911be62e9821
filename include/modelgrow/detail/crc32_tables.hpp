// SPDX-License-Identifier: MIT
// CRC-32 (ISO 3309, polynomial 0xEDB88320) by tables, eight bytes at a time.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

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

/// One more byte at the end of what has this state.
inline std::uint32_t crc32_byte(std::uint32_t state, std::byte byte) {
  return state >> 8 ^ crc32_tables[0][(state ^ std::uint32_t(byte)) & 0xFF];
}

/// One more word of eight bytes. Little-endian machines only.
inline std::uint32_t crc32_word(std::uint32_t state, const std::byte* at) {
  const auto& table = crc32_tables;
  std::uint32_t low = 0, high = 0;
  std::memcpy(&low, at, 4);
  std::memcpy(&high, at + 4, 4);
  low ^= state;
  return table[7][low & 0xFF] ^ table[6][low >> 8 & 0xFF] ^ table[5][low >> 16 & 0xFF] ^ table[4][low >> 24] ^
         table[3][high & 0xFF] ^ table[2][high >> 8 & 0xFF] ^ table[1][high >> 16 & 0xFF] ^ table[0][high >> 24];
}

}  // namespace modelgrow::inline v0::detail
