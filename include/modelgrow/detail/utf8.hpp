// SPDX-License-Identifier: MIT
// Validity of UTF-8, as the Unicode standard defines it (table 3-7: no overlong forms, no surrogates, at most
// U+10FFFF).
#pragma once
#include <cstddef>
#include <string_view>

namespace modelgrow::inline v0::detail {

inline bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned a = byte(i);
    std::size_t more = 0;
    unsigned low = 0x80, high = 0xBF;  // range of the second byte
    if (a < 0x80) {
      ++i;
      continue;
    } else if (a >= 0xC2 && a <= 0xDF) {
      more = 1;
    } else if (a >= 0xE0 && a <= 0xEF) {
      more = 2;
      if (a == 0xE0) low = 0xA0;
      if (a == 0xED) high = 0x9F;
    } else if (a >= 0xF0 && a <= 0xF4) {
      more = 3;
      if (a == 0xF0) low = 0x90;
      if (a == 0xF4) high = 0x8F;
    } else {
      return false;
    }
    if (byte(i + 1) < low || byte(i + 1) > high) return false;
    for (std::size_t k = 2; k <= more; ++k)
      if (byte(i + k) < 0x80 || byte(i + k) > 0xBF) return false;
    i += more + 1;
  }
  return true;
}

}  // namespace modelgrow::inline v0::detail
