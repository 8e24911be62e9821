// SPDX-License-Identifier: MIT
// Mutated files by number: one number makes the same bytes everywhere, so that a list of verdicts stands for the files.
// Texts are mutated by words (also within strings, where axes and formulas stand) and by JSON values; headers of
// safetensors as texts; everything by bytes.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace modelgrow::testing {

/// The numbers of SplitMix64 (Steele, Lea and Flood 2014).
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  /// From 0 to n - 1; 0 where n is 0.
  std::size_t below(std::size_t n) { return n ? std::size_t(next() % n) : 0; }
  template <class List>
  const auto& of(const List& list) {
    return std::data(list)[below(std::size(list))];
  }

 private:
  std::uint64_t state_;
};

/// Bytes [begin, end) of a text.
struct Part {
  std::size_t begin = 0, end = 0;
};

/// Runs of letters and digits, and every other character alone.
inline std::vector<Part> words_in(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  std::vector<Part> words;
  for (std::size_t i = 0, end = 0; i < text.size(); i = end) {
    for (end = i + 1; letter(text[i]) && end < text.size() && letter(text[end]);) ++end;
    words.push_back({i, end});
  }
  return words;
}

/// Keys and values of JSON; of other texts whatever looks like one.
inline std::vector<Part> values_in(std::string_view text) {
  constexpr std::string_view marks = " \t\r\n,:[]{}\"";
  std::vector<Part> values;
  std::vector<std::size_t> open;
  for (std::size_t i = 0, end = 0; i < text.size(); i = end) {
    end = i + 1;
    if (text[i] == '"') {
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
      values.push_back({i, end});
    } else if (text[i] == '[' || text[i] == '{') {
      open.push_back(i);
    } else if (text[i] == ']' || text[i] == '}') {
      if (open.empty()) continue;
      values.push_back({open.back(), end});
      open.pop_back();
    } else if (marks.find(text[i]) == marks.npos) {
      end = std::min(text.find_first_of(marks, i), text.size());
      values.push_back({i, end});
    }
  }
  return values;
}

namespace mutation {

inline constexpr std::string_view extreme_values[] = {"0",
                                                      "1",
                                                      "-1",
                                                      "-0",
                                                      "2",
                                                      "3",
                                                      "7",
                                                      "8",
                                                      "9",
                                                      "255",
                                                      "65536",
                                                      "2147483648",
                                                      "4294967296",
                                                      "1e12",
                                                      "1e18",
                                                      "1e308",
                                                      "1e-9",
                                                      "0.5",
                                                      "1.5",
                                                      "2.0",
                                                      "NaN",
                                                      "\"\"",
                                                      "[]",
                                                      "{}",
                                                      "[0,0]",
                                                      "[[]]",
                                                      "4",
                                                      "16",
                                                      "null",
                                                      "true",
                                                      "false",
                                                      "\"0\"",
                                                      "\"\\u0000\"",
                                                      "\"\\ud83d\\ude00\"",
                                                      "\"\xC3\xA9\"",
                                                      "9007199254740993",
                                                      "9223372036854775807",
                                                      "9223372036854775808",
                                                      "-9223372036854775808",
                                                      "18446744073709551615",
                                                      "18446744073709551616"};
inline constexpr std::uint64_t extreme_numbers[] = {
    0,          1,          2,          8,          32,         0x7F,       0xFF,  0x7FFF,
    0xFFFFFFFF, 0x80000000, 1ull << 32, 1ull << 40, 1ull << 62, 1ull << 63, ~0ull, ~0ull >> 1};

inline std::string text_of(std::string_view text, Part p) { return std::string(text.substr(p.begin, p.end - p.begin)); }
inline void put_at(std::string& text, Part p, std::string_view with) { text.replace(p.begin, p.end - p.begin, with); }

inline void mutate_bytes(std::string& bytes, std::string_view other, Dice& dice) {
  const std::size_t at = dice.below(bytes.size() + 1), some = 1 + dice.below(1 + dice.below(24));
  switch (dice.below(7)) {
    case 0:
      if (at < bytes.size()) bytes[at] = char(bytes[at] ^ (1 << dice.below(8)));
      return;
    case 1:
      if (at < bytes.size()) bytes[at] = char(dice.next());
      return;
    case 2:
      bytes.erase(at, some);
      return;
    case 3:  // the end is cut off
      bytes.resize(dice.below(4) ? std::max(bytes.size(), some) - some : at);
      return;
    case 4:
      bytes.insert(at, other.substr(dice.below(other.size() + 1), some));
      return;
    case 5: {
      const std::string run = bytes.substr(at, some);
      for (auto n = dice.below(1 + dice.below(100)); n-- > 0;) bytes.insert(at, run);
      return;
    }
    default: {
      const std::uint64_t number = dice.of(extreme_numbers) + dice.below(2);
      const std::size_t size = dice.below(2) ? 8 : 4;
      if (at + size <= bytes.size()) std::memcpy(bytes.data() + at, &number, size);  // little-endian
    }
  }
}

inline void mutate_words(std::string& text, std::string_view other, Dice& dice) {
  const auto words = words_in(text), others = words_in(other);
  if (words.empty() || others.empty()) return;
  const Part word = dice.of(words);
  switch (dice.below(6)) {
    case 0:
      return put_at(text, word, "");
    case 1:
      return put_at(text, {word.end, word.end}, text_of(text, word));
    case 2:
      return put_at(text, word, dice.of(extreme_values));
    case 3:
      return put_at(text, {word.end, word.end}, text_of(other, dice.of(others)));
    default:
      return put_at(text, word, text_of(other, dice.of(others)));
  }
}

inline bool is_number(std::string_view text, Part p) {
  return text[p.begin] == '-' || (text[p.begin] >= '0' && text[p.begin] <= '9');
}
/// A number for a number, a text for a text, mostly.
inline Part like(std::string_view text, Part value, std::string_view other, const std::vector<Part>& others,
                 Dice& dice) {
  const auto kind = [](std::string_view t, Part p) { return is_number(t, p) ? '0' : t[p.begin]; };
  Part found = dice.of(others);
  for (int i = 0; i < 8 && kind(other, found) != kind(text, value); ++i) found = dice.of(others);
  return found;
}

inline void mutate_values(std::string& text, std::string_view other, Dice& dice) {
  const auto values = values_in(text), others = values_in(other);
  if (values.empty() || others.empty()) return;
  Part value = dice.of(values);
  const auto what = dice.below(12);
  for (int i = 0; i < 8 && what > 9 && !is_number(text, value); ++i) value = dice.of(values);
  const std::string same = text_of(text, value);
  switch (what) {
    case 0:
      return put_at(text, value, dice.of(extreme_values));
    case 1: {  // with the comma behind it or before
      const bool last = value.end >= text.size() || text[value.end] != ',';
      const bool comma = last && value.begin > 0 && text[value.begin - 1] == ',';
      return put_at(text, {value.begin - comma, value.end + !last}, "");
    }
    case 2:
      return put_at(text, {value.end, value.end}, "," + same);
    case 3: {
      const auto n = 1 + dice.below(1 + dice.below(150));
      return put_at(text, value, std::string(n, '[') + same + std::string(n, ']'));
    }
    case 4: {  // a member more
      const std::string key = text_of(other, dice.of(others)), more = text_of(other, dice.of(others));
      return put_at(text, {value.end, value.end}, "," + key + ":" + more);
    }
    case 5: {
      const Part second = dice.of(values);
      const auto& [a, b] = value.begin < second.begin ? std::pair(value, second) : std::pair(second, value);
      if (a.end > b.begin) return;
      const std::string first = text_of(text, a), behind = text_of(text, b);
      put_at(text, b, first);
      return put_at(text, a, behind);
    }
    case 6:
      return put_at(text, value, text_of(other, dice.of(others)));
    case 10:
      return put_at(text, value, dice.of(extreme_values));
    case 11:  // one more or less, where that is one digit
      text[value.end - 1] = char(text[value.end - 1] ^ 1);
      return;
    default:
      return put_at(text, value, text_of(other, like(text, value, other, others, dice)));
  }
}

inline void mutate_text(std::string& text, std::string_view other, Dice& dice) {
  const auto kind = dice.below(9);
  (kind < 4 ? mutate_values : kind < 8 ? mutate_words : mutate_bytes)(text, other, dice);
}

/// The JSON header of a safetensors file; nothing when it is none.
inline std::string_view header_of(std::string_view bytes) {
  std::uint64_t length = 0;
  if (bytes.size() < 8) return {};
  std::memcpy(&length, bytes.data(), 8);
  return length <= bytes.size() - 8 && bytes.substr(8, 1) == "{" ? bytes.substr(8, std::size_t(length))
                                                                 : std::string_view();
}

}  // namespace mutation

/// One mutation, with parts of another file.
inline void mutate(std::string& bytes, std::string_view other, Dice& dice) {
  if (bytes.find('\0') == bytes.npos) return mutation::mutate_text(bytes, other, dice);
  const std::string_view header = mutation::header_of(bytes), others = mutation::header_of(other);
  if (header.empty() || dice.below(8) == 0) return mutation::mutate_bytes(bytes, other, dice);
  std::string text(header);
  mutation::mutate_text(text, others.empty() ? text : std::string(others), dice);
  const std::uint64_t length = text.size();
  bytes.replace(8, header.size(), text);
  std::memcpy(bytes.data(), &length, 8);
}

/// File `number` of those that can be made of a corpus: one of its files, mutated up to four times.
inline std::string mutated(const std::vector<std::string>& corpus, std::uint64_t number) {
  Dice dice(number);
  std::string bytes = dice.of(corpus);
  for (auto n = dice.below(2 + dice.below(4)); n-- > 0;) mutate(bytes, dice.of(corpus), dice);
  if (bytes.size() > 1 << 16) bytes.resize(1 << 16);
  return bytes;
}

}  // namespace modelgrow::testing
