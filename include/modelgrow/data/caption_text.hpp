// SPDX-License-Identifier: MIT
// The words of a caption, whatever editor stored them: one caption is one text, or caches and prompts do not find it.
#pragma once
#include <string>
#include <string_view>

#include <modelgrow/core/error.hpp>
#include <modelgrow/detail/utf8.hpp>

namespace modelgrow::inline v0 {

/// A caption without byte order mark and without white space around it, its line ends as '\n'. Throws format_error that
/// begins with `where` for text that is no UTF-8.
inline std::string caption_text(std::string_view bytes, const std::string& where) {
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF"))
    throw format_error(where +
                       ": this is UTF-16 (it begins with the byte order mark of that); expected UTF-8: convert " +
                       "it with iconv -f UTF-16 -t UTF-8");
  if (const auto zero = bytes.find('\0'); zero != bytes.npos)
    throw format_error(where + ": byte " + std::to_string(zero) + " of " + std::to_string(bytes.size()) +
                       " is 0, as in UTF-16 or in a file that is no text; expected UTF-8");
  if (const auto valid = detail::valid_utf8_prefix(bytes); valid != bytes.size()) {
    static constexpr char digits[] = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(bytes[valid]);
    throw format_error(where + ": not UTF-8 at byte " + std::to_string(valid) + " of " + std::to_string(bytes.size()) +
                       " (found 0x" + digits[byte >> 4] + digits[byte & 15] +
                       "); save it as UTF-8: from Latin-1 with " + "iconv -f LATIN1 -t UTF-8");
  }
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  constexpr std::string_view white = " \t\r\n\v\f";
  const auto first = bytes.find_first_not_of(white);
  if (first == bytes.npos) return {};
  bytes = bytes.substr(first, bytes.find_last_not_of(white) - first + 1);
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (bytes[i] != '\r')
      text += bytes[i];
    else if (i + 1 == bytes.size() || bytes[i + 1] != '\n')  // alone: the line end of old Macs
      text += '\n';
  return text;
}

}  // namespace modelgrow::inline v0
