// SPDX-License-Identifier: MIT
// A checksum for what is written to disks: XXH64, which other programs know too.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace modelgrow::inline v0::detail {

/// XXH64 with seed 0 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md). Little-endian machines only.
inline std::uint64_t hash64(std::span<const std::byte> bytes) {
  constexpr std::uint64_t p1 = 0x9e3779b185ebca87, p2 = 0xc2b2ae3d27d4eb4f, p3 = 0x165667b19e3779f9,
                          p4 = 0x85ebca77c2b2ae63, p5 = 0x27d4eb2f165667c5;
  const auto round = [](std::uint64_t lane, std::uint64_t word) { return std::rotl(lane + word * p2, 31) * p1; };
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  const auto take = [&]<class Word>(Word word) {
    std::memcpy(&word, at, sizeof word);
    at += sizeof word;
    left -= sizeof word;
    return std::uint64_t(word);
  };
  std::uint64_t hash = p5;
  if (left >= 32) {
    std::uint64_t a = p1 + p2, b = p2, c = 0, d = 0 - p1;
    while (left >= 32) {
      a = round(a, take(std::uint64_t{}));
      b = round(b, take(std::uint64_t{}));
      c = round(c, take(std::uint64_t{}));
      d = round(d, take(std::uint64_t{}));
    }
    hash = std::rotl(a, 1) + std::rotl(b, 7) + std::rotl(c, 12) + std::rotl(d, 18);
    for (const auto lane : {a, b, c, d}) hash = (hash ^ round(0, lane)) * p1 + p4;
  }
  hash += bytes.size();
  while (left >= 8) hash = std::rotl(hash ^ round(0, take(std::uint64_t{})), 27) * p1 + p4;
  if (left >= 4) hash = std::rotl(hash ^ take(std::uint32_t{}) * p1, 23) * p2 + p3;
  while (left > 0) hash = std::rotl(hash ^ take(std::uint8_t{}) * p5, 11) * p1;
  hash = (hash ^ hash >> 33) * p2;
  hash = (hash ^ hash >> 29) * p3;
  return hash ^ hash >> 32;
}

}  // namespace modelgrow::inline v0::detail
