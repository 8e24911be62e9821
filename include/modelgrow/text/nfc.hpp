// SPDX-License-Identifier: MIT
// Unicode's normalisation form C: characters decomposed, marks in canonical order, then composed (Unicode standard,
// annex 15). Decompositions are those of utf8proc, the classes of marks those of upstream, which knows fewer marks.
#pragma once
#include <utf8proc.h>

#include <algorithm>

#include <modelgrow/text/bert_normaliser.hpp>
#include <modelgrow/text/normalised_text.hpp>

namespace modelgrow::inline v0 {

namespace detail {

struct DecomposedCharacter {
  char32_t c;
  int combining_class;
  TextSpan source;
};

inline std::vector<DecomposedCharacter> decomposed(const NormalisedText& from) {
  std::vector<DecomposedCharacter> out;
  for (std::size_t i = 0; i < from.text.size();) {
    const std::size_t begin = i;
    const char32_t c = next_code_point(from.text, i);
    utf8proc_int32_t parts[8];  // a canonical decomposition has at most four
    int unused = 0;
    const auto n = utf8proc_decompose_char(utf8proc_int32_t(c), parts, 8, UTF8PROC_DECOMPOSE, &unused);
    for (utf8proc_ssize_t k = 0; k < n; ++k)
      out.push_back({.c = char32_t(parts[k]),
                     .combining_class = combining_class(char32_t(parts[k])),
                     .source = from.at(begin, i)});
  }
  return out;
}

/// Sorts every run of marks by class; what each place stands for stays in the order of the text.
inline void order_marks(std::vector<DecomposedCharacter>& text) {
  const auto starts = [](const auto& x) { return x.combining_class == 0; };
  for (auto run = text.begin(); run != text.end();) {
    run = std::find_if_not(run, text.end(), starts);
    const auto end = std::find_if(run, text.end(), starts);
    std::vector<DecomposedCharacter> marks(run, end);
    std::stable_sort(marks.begin(), marks.end(),
                     [](const auto& a, const auto& b) { return a.combining_class < b.combining_class; });
    for (const auto& mark : marks) {
      run->c = mark.c;
      run++->combining_class = mark.combining_class;
    }
  }
}

/// The character that two others make; 0 when there is none.
inline char32_t composed(char32_t a, char32_t b) {
  utf8proc_int32_t pair[2] = {utf8proc_int32_t(a), utf8proc_int32_t(b)};
  constexpr auto options = utf8proc_option_t(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  return utf8proc_normalize_utf32(pair, 2, options) == 1 ? char32_t(pair[0]) : 0;
}

}  // namespace detail

/// Whether a text is certainly in form C: it has nothing from U+0300, the first mark, on.
inline bool surely_nfc(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0xCC; });
}

/// A text, which must be valid UTF-8, in form C.
inline NormalisedText nfc(const NormalisedText& from) {
  auto text = detail::decomposed(from);
  detail::order_marks(text);
  std::vector<detail::DecomposedCharacter> out;
  constexpr std::size_t none = ~std::size_t{0};
  std::size_t starter = none;
  for (const auto& x : text) {
    // A mark of the same class in between blocks, and so does another starter.
    const bool near = starter != none && (starter + 1 == out.size() || out.back().combining_class < x.combining_class);
    if (const char32_t both = near ? detail::composed(out[starter].c, x.c) : 0) {
      out[starter].c = both;
      out[starter].source.end = std::max(out[starter].source.end, x.source.end);
      continue;
    }
    if (x.combining_class == 0) starter = out.size();
    out.push_back(x);
  }
  NormalisedText result;
  for (const auto& x : out) {
    std::string bytes;
    detail::append_utf8(bytes, x.c);
    result.append(bytes, x.source);
  }
  return result;
}

}  // namespace modelgrow::inline v0
