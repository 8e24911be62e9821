// SPDX-License-Identifier: MIT
// The checksum of zip archives: CRC-32 (ISO 3309, polynomial 0xEDB88320), eight bytes at a time.
#pragma once
#include <algorithm>
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

/// One more word of eight bytes at the end of what has this state.
inline std::uint32_t crc32_word(std::uint32_t state, const std::byte* at) {
  const auto& table = crc32_tables;
  std::uint32_t low = 0, high = 0;
  std::memcpy(&low, at, 4);
  std::memcpy(&high, at + 4, 4);
  low ^= state;
  return table[7][low & 0xFF] ^ table[6][low >> 8 & 0xFF] ^ table[5][low >> 16 & 0xFF] ^ table[4][low >> 24] ^
         table[3][high & 0xFF] ^ table[2][high >> 8 & 0xFF] ^ table[1][high >> 16 & 0xFF] ^ table[0][high >> 24];
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

/// The checksum of what came before, 0 at first, and these bytes. Little-endian machines only.
inline std::uint32_t crc32(std::uint32_t before, std::span<const std::byte> bytes) {
  constexpr std::size_t lanes = 4, worth_it = 1 << 14;  // texts side by side, since each word waits for the one before
  if (bytes.size() >= worth_it) {
    const std::size_t part = bytes.size() / lanes / 8 * 8;
    std::uint32_t
        states[lanes];  // no std::array: nvcc would name array<uint32_t, 4> by `lanes` wherever it stands next
    std::ranges::fill(states, ~std::uint32_t{0});
    states[0] = ~before;
    for (std::size_t i = 0; i < part; i += 8)
      for (std::size_t lane = 0; lane < lanes; ++lane)
        states[lane] = crc32_word(states[lane], bytes.data() + lane * part + i);
    before = ~states[0];
    for (std::size_t lane = 1; lane < lanes; ++lane) before = crc32_joined(before, ~states[lane], part);
    bytes = bytes.subspan(lanes * part);
  }
  std::uint32_t state = ~before;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) state = crc32_word(state, bytes.data());
  for (const std::byte b : bytes) state = state >> 8 ^ crc32_tables[0][(state ^ std::uint32_t(b)) & 0xFF];
  return ~state;
}

}  // namespace modelgrow::inline v0::detail
