// SPDX-License-Identifier: MIT
// Captions as bytes between a begin and an end mark.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace modelgrow::inline v0 {

/// Token ids [batch, length] of captions, padded to the longest, and how many of each are valid.
struct TextTokens {
  std::int64_t batch = 0, length = 0;
  std::vector<std::int32_t> ids, lengths;

  /// Rows of ids of any lengths.
  TextTokens(std::span<const std::vector<std::int32_t>> rows, std::int32_t pad) : batch(std::int64_t(rows.size())) {
    for (const auto& row : rows) {
      lengths.push_back(std::int32_t(row.size()));
      length = std::max(length, std::int64_t(row.size()));
    }
    for (const auto& row : rows) {
      ids.insert(ids.end(), row.begin(), row.end());
      ids.insert(ids.end(), std::size_t(length) - row.size(), pad);
    }
  }
};

/// UTF-8 bytes between marks.
struct ByteTokens : TextTokens {
  static constexpr std::int32_t begin = 256, end = 257, pad = 258, vocabulary = 259;

  /// Captions longer than max_length - 2 bytes are cut at the end of the last whole UTF-8 character that fits.
  ByteTokens(std::span<const std::string> captions, std::int64_t max_length)
      : TextTokens(rows_of(captions, max_length), pad) {}

 private:
  static std::vector<std::vector<std::int32_t>> rows_of(std::span<const std::string> captions,
                                                        std::int64_t max_length) {
    std::vector<std::vector<std::int32_t>> rows;
    for (std::string_view text : captions) {
      auto n = std::min(text.size(), std::size_t(max_length - 2));
      while (n < text.size() && n > 0 && (static_cast<unsigned char>(text[n]) & 0xC0) == 0x80) --n;
      auto& row = rows.emplace_back(1, begin);
      for (char c : text.substr(0, n)) row.push_back(static_cast<unsigned char>(c));
      row.push_back(end);
    }
    return rows;
  }
};

}  // namespace modelgrow::inline v0
