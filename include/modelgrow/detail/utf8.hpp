// SPDX-License-Identifier: MIT
// UTF-8: validity as the Unicode standard defines it (table 3-7: no overlong forms, no surrogates, at most U+10FFFF),
// and code points in and out of valid text.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace modelgrow::inline v0::detail {

/// Number of bytes of the longest valid beginning; text.size() when all of it is valid.
inline std::size_t valid_utf8_prefix(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  std::size_t i = 0;
  while (i < text.size()) {
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
      return i;
    }
    if (byte(i + 1) < low || byte(i + 1) > high) return i;
    for (std::size_t k = 2; k <= more; ++k)
      if (byte(i + k) < 0x80 || byte(i + k) > 0xBF) return i;
    i += more + 1;
  }
  return i;
}

inline bool is_utf8(std::string_view text) { return valid_utf8_prefix(text) == text.size(); }

/// The code point at text[i] of valid UTF-8; i moves behind it. In other text it is some number, and i ends within it.
inline char32_t next_code_point(std::string_view text, std::size_t& i) {
  const auto byte = [&] { return i < text.size() ? static_cast<unsigned char>(text[i++]) : 0u; };
  const char32_t first = byte();
  if (first < 0x80) return first;
  char32_t c = first & (first < 0xE0 ? 0x1F : first < 0xF0 ? 0x0F : 0x07);
  for (int more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3; more > 0; --more) c = c << 6 | (byte() & 0x3F);
  return c;
}

inline void append_utf8(std::string& text, char32_t c) {
  const auto tail = [&](int shift) { text.push_back(char(0x80 | (c >> shift & 0x3F))); };
  if (c < 0x80) {
    text.push_back(char(c));
  } else if (c < 0x800) {
    text.push_back(char(0xC0 | c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    text.push_back(char(0xE0 | c >> 12));
    tail(6);
    tail(0);
  } else {
    text.push_back(char(0xF0 | c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace modelgrow::inline v0::detail
