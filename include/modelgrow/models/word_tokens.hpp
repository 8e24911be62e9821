// SPDX-License-Identifier: MIT
// Captions as whole words of a small vocabulary, for worlds that know few of them: a model reads them within minutes,
// where it first has to learn to spell from bytes.
#pragma once
#include <cstddef>
#include <string_view>
#include <unordered_map>

#include <modelgrow/models/byte_tokens.hpp>

namespace modelgrow::inline v0 {

/// The bytes begin to end - 1 of a text.
struct WordSpan {
  std::size_t begin = 0, end = 0;
};

/// The words of a text: what spaces part.
inline std::vector<WordSpan> word_spans(std::string_view text) {
  std::vector<WordSpan> words;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = text.find_first_not_of(' ', i);
    if (begin == std::string_view::npos) break;
    i = std::min(text.size(), text.find(' ', begin));
    words.push_back({.begin = begin, .end = i});
  }
  return words;
}

/// Words between marks; all those that are not in the vocabulary are one token, `unknown`.
struct WordTokens : TextTokens {
  static constexpr std::int32_t begin = 0, end = 1, pad = 2, unknown = 3, first_word = 4;

  /// Tokens of a vocabulary, given as words that spaces part.
  static std::int64_t vocabulary(std::string_view words) { return first_word + std::int64_t(word_spans(words).size()); }

  /// Captions of more than max_length - 2 words lose their end.
  WordTokens(std::span<const std::string> captions, std::string_view words, std::int64_t max_length)
      : TextTokens(rows_of(captions, words, max_length), pad) {}

 private:
  static std::vector<std::vector<std::int32_t>> rows_of(std::span<const std::string> captions, std::string_view words,
                                                        std::int64_t max_length) {
    std::unordered_map<std::string_view, std::int32_t> known;
    for (const auto& [from, to] : word_spans(words))
      known.emplace(words.substr(from, to - from), first_word + std::int32_t(known.size()));
    std::vector<std::vector<std::int32_t>> rows;
    for (std::string_view text : captions) {
      auto& row = rows.emplace_back(1, begin);
      for (const auto& [from, to] : word_spans(text)) {
        if (std::int64_t(row.size()) == max_length - 1) break;
        const auto found = known.find(text.substr(from, to - from));
        row.push_back(found == known.end() ? unknown : found->second);
      }
      row.push_back(end);
    }
    return rows;
  }
};

}  // namespace modelgrow::inline v0
