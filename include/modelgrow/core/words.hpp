// SPDX-License-Identifier: MIT
// Small things with text: names come in parts, enums in words.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace modelgrow::inline v0::detail {

inline std::vector<std::string> split_at(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find(separator, begin);
    parts.emplace_back(text.substr(begin, end == text.npos ? end : end - begin));
    if (end == text.npos) return parts;
    begin = end + 1;
  }
}
inline std::string join(const std::vector<std::string>& parts, char separator) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) text.append(i ? 1 : 0, separator).append(parts[i]);
  return text;
}
inline std::string trimmed(std::string_view s) {
  const auto begin = s.find_first_not_of(' ');
  return begin == s.npos ? "" : std::string(s.substr(begin, s.find_last_not_of(' ') - begin + 1));
}
/// The word of an enum that lists its words.
template <class E>
std::string_view word_of(E e) {
  return words_of(e)[static_cast<std::size_t>(e)];
}
inline bool all_digits(std::string_view s) {
  return !s.empty() && s.size() < 10 && s.find_first_not_of("0123456789") == s.npos;
}

}  // namespace modelgrow::inline v0::detail
