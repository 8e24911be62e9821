// SPDX-License-Identifier: MIT
// What upstream tokenizers mean by \p{L}, \p{N} and \s: Unicode 16, where an older PCRE2 (10.42 of Debian 12) knows
// Unicode 14 and counts the Mongolian vowel separator as white space.
#pragma once
#include <string>
#include <string_view>

namespace modelgrow::inline v0::detail {

/// Inside of a class that matches letters, numbers and white space. The ranges are what Unicode 15 and 16 added.
inline constexpr std::string_view letters =
    R"(\p{L}\x{1C89}\x{1C8A}\x{A7CB}-\x{A7CD}\x{A7DA}-\x{A7DC}\x{105C0}-\x{105F3}\x{10D4A}-\x{10D65}\x{10D6F}-\x{10D85})"
    R"(\x{10EC2}-\x{10EC4}\x{1123F}\x{11240}\x{11380}-\x{11389}\x{1138B}\x{1138E}\x{11390}-\x{113B5}\x{113B7}\x{113D1})"
    R"(\x{113D3}\x{11BC0}-\x{11BE0}\x{11F02}\x{11F04}-\x{11F10}\x{11F12}-\x{11F33}\x{1342F}\x{13441}-\x{13446})"
    R"(\x{13460}-\x{143FA}\x{16100}-\x{1611D}\x{16D40}-\x{16D6C}\x{18CFF}\x{1B132}\x{1B155}\x{1DF25}-\x{1DF2A})"
    R"(\x{1E030}-\x{1E06D}\x{1E4D0}-\x{1E4EB}\x{1E5D0}-\x{1E5ED}\x{1E5F0}\x{2B739}\x{2EBF0}-\x{2EE5D}\x{31350}-\x{323AF})";
inline constexpr std::string_view numbers =
    R"(\p{N}\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}\x{11F50}-\x{11F59}\x{16130}-\x{16139})"
    R"(\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1D2C0}-\x{1D2D3}\x{1E4F0}-\x{1E4F9}\x{1E5F1}-\x{1E5FA})";
inline constexpr std::string_view white_space =
    R"(\x{09}-\x{0D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

/// The pre-tokenizer that puts every number alone goes by Unicode 17.
inline constexpr std::string_view single_number = R"([\p{N}\x{11DE0}-\x{11DE9}\x{16FF4}-\x{16FF6}])";

/// A pattern with \p{L}, \p{N}, \s and \S (this one outside of classes) spelt out.
inline std::string with_unicode_classes(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  const auto take = [&](std::size_t& i, std::string_view name, std::string_view inside, const char* open) {
    if (!pattern.substr(i).starts_with(name)) return false;
    out.append(in_class ? "" : open).append(inside).append(in_class ? "" : "]");
    i += name.size();
    return true;
  };
  for (std::size_t i = 0; i < pattern.size();) {
    if (take(i, R"(\p{L})", letters, "[") || take(i, R"(\p{N})", numbers, "[") || take(i, R"(\s)", white_space, "[") ||
        (!in_class && take(i, R"(\S)", white_space, "[^")))
      continue;
    if (pattern[i] == '\\' && i + 1 < pattern.size())
      out.push_back(pattern[i++]);
    else if (pattern[i] == '[')
      in_class = true;
    else if (pattern[i] == ']')
      in_class = false;
    out.push_back(pattern[i++]);
  }
  return out;
}

}  // namespace modelgrow::inline v0::detail
