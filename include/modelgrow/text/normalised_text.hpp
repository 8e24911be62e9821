// SPDX-License-Identifier: MIT
// A text after normalisation, which knows where each of its bytes comes from.
#pragma once
#include <modelgrow/text/tokenizer.hpp>

namespace modelgrow::inline v0 {

/// Normalised text, and for each of its bytes the bytes of the original that it stands for (none for what was put in).
struct NormalisedText {
  std::string text;
  std::vector<TextSpan> source;

  NormalisedText() = default;
  /// text[span], unchanged.
  NormalisedText(std::string_view original, TextSpan span) {
    append(original.substr(span.begin, span.end - span.begin), span);
  }

  /// The original bytes of [begin, end), which is not empty.
  TextSpan at(std::size_t begin, std::size_t end) const {
    return {.begin = source[begin].begin, .end = source[end - 1].end};
  }
  /// Appends what stands for `from`: byte for byte when it is as long, otherwise each byte for all of it.
  void append(std::string_view bytes, TextSpan from) {
    const bool same = bytes.size() == from.end - from.begin;
    for (std::size_t i = 0; i < bytes.size(); ++i)
      source.push_back(same ? TextSpan{.begin = from.begin + i, .end = from.begin + i + 1} : from);
    text += bytes;
  }
  NormalisedText part(std::size_t begin, std::size_t end) const {
    NormalisedText p;
    p.text = text.substr(begin, end - begin);
    p.source.assign(source.begin() + std::ptrdiff_t(begin), source.begin() + std::ptrdiff_t(end));
    return p;
  }

  /// Puts a mark before a text that is not empty.
  void prepend(std::string_view mark) {
    if (text.empty()) return;
    text.insert(0, mark);
    source.insert(source.begin(), mark.size(), {.begin = source[0].begin, .end = source[0].begin});
  }
  /// Replaces every `from`, which is not empty.
  void replace(std::string_view from, std::string_view to) {
    if (text.find(from) == text.npos) return;
    NormalisedText out;
    for (std::size_t i = 0; i < text.size();) {
      const bool found = std::string_view(text).substr(i).starts_with(from);
      const std::size_t end = i + (found ? from.size() : 1);
      out.append(found ? to : std::string_view(text).substr(i, 1), at(i, end));
      i = end;
    }
    *this = std::move(out);
  }
};

}  // namespace modelgrow::inline v0
