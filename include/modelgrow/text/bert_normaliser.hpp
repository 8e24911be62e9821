// SPDX-License-Identifier: MIT
// BERT's basic tokenizer: clean text, Chinese characters apart, no accents, lower case; then words and punctuation.
// Source: huggingface/tokenizers, normalizers/bert.rs and pre_tokenizers/bert.rs.
#pragma once
#include <algorithm>
#include <iterator>

#include <modelgrow/text/added_tokens.hpp>
#include <modelgrow/text/bert_classes.hpp>
#include <modelgrow/text/bert_mappings.hpp>

namespace modelgrow::inline v0 {

/// The switches of "BertNormalizer" in a tokenizer.json.
struct BertNormaliser {
  enum class Step { skip, apply };
  Step clean_text = Step::apply, chinese_apart = Step::apply, strip_accents = Step::apply, lower_case = Step::apply;
};

namespace detail {

template <std::size_t N>
bool contains(const CodePointRange (&ranges)[N], char32_t c) {
  const auto* r = std::lower_bound(std::begin(ranges), std::end(ranges), c,
                                   [](const CodePointRange& range, char32_t x) { return range.last < x; });
  return r != std::end(ranges) && r->first <= c;
}

/// Calls f with what remains of a character without accents: nothing, itself, or several characters.
template <class F>
void without_accents(char32_t c, F&& f) {
  if (c < 0x80) return f(c);
  if (contains(bert_accents, c)) return;
  if (c >= 0xAC00 && c <= 0xD7A3) {  // a Hangul syllable: 19 x 21 x 28 combinations of its letters
    const char32_t s = c - 0xAC00;
    f(0x1100 + s / 588);
    f(0x1161 + s % 588 / 28);
    if (s % 28) f(0x11A7 + s % 28);
    return;
  }
  const auto* run = std::upper_bound(std::begin(bert_bare), std::end(bert_bare), c,
                                     [](char32_t x, const BareRun& r) { return x < r.first; });
  if (run != std::begin(bert_bare) && c - run[-1].first < run[-1].count)
    return f(bert_bare_to[run[-1].at + (c - run[-1].first)]);
  const auto* many = std::lower_bound(std::begin(bert_bare_several), std::end(bert_bare_several), c,
                                      [](const BareSeveral& s, char32_t x) { return s.from < x; });
  if (many == std::end(bert_bare_several) || many->from != c) return f(c);
  for (auto part : many->to)
    if (part) f(part);
}

/// Canonical combining class: 0 for all but marks.
inline int combining_class(char32_t c) {
  const auto* r = std::lower_bound(std::begin(bert_combining), std::end(bert_combining), c,
                                   [](const CombiningRun& run, char32_t x) { return run.last < x; });
  return r != std::end(bert_combining) && r->first <= c ? r->combining_class : 0;
}

/// Calls f with the lower case of a character.
template <class F>
void lower_case(char32_t c, F&& f) {
  if (c == 0x130) {
    f(U'i');
    return f(0x307);
  }
  const auto* run = std::lower_bound(std::begin(bert_lower), std::end(bert_lower), c,
                                     [](const LowerRun& r, char32_t x) { return r.last < x; });
  const bool inside = run != std::end(bert_lower) && run->first <= c && (c - run->first) % char32_t(run->stride) == 0;
  f(inside ? char32_t(std::int64_t(c) + run->difference) : c);
}

}  // namespace detail

/// One character after normalisation, and the bytes of the text it came from.
struct NormalisedCharacter {
  char32_t c;
  TextSpan span;
};

namespace detail {

/// Takes accents away and sorts the marks that remain by class, as a decomposed text has them.
inline std::vector<NormalisedCharacter> without_accents(const std::vector<NormalisedCharacter>& text) {
  std::vector<NormalisedCharacter> out;
  std::size_t marks = 0;         // beginning of the marks at the end of `out`
  const auto sort_marks = [&] {  // the spans stay in order
    if (out.size() <= marks + 1) return;
    std::u32string characters;
    for (std::size_t i = marks; i < out.size(); ++i) characters.push_back(out[i].c);
    std::stable_sort(characters.begin(), characters.end(),
                     [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    for (std::size_t i = marks; i < out.size(); ++i) out[i].c = characters[i - marks];
  };
  for (const auto& from : text) {
    const auto add = [&](char32_t c) {
      if (combining_class(c) == 0) {
        sort_marks();
        marks = out.size() + 1;
      }
      out.push_back({.c = c, .span = from.span});
    };
    const std::size_t before = out.size();
    without_accents(from.c, add);
    if (out.size() == before) add(from.c);  // it keeps its place among the marks before it vanishes
  }
  sort_marks();
  std::erase_if(out, [](const auto& x) { return contains(bert_accents, x.c); });
  return out;
}

}  // namespace detail

/// The characters of text[span], which must be valid UTF-8.
inline std::vector<NormalisedCharacter> normalise(const BertNormaliser& how, std::string_view text, TextSpan span) {
  constexpr auto apply = BertNormaliser::Step::apply;
  std::vector<NormalisedCharacter> out;
  for (std::size_t at = span.begin; at < span.end;) {
    TextSpan from{.begin = at, .end = at};
    char32_t c = detail::next_code_point(text, from.end);
    at = from.end;
    if (how.clean_text == apply) {
      if (detail::contains(detail::bert_dropped, c)) continue;
      if (detail::contains(detail::bert_spaces, c)) c = U' ';
    }
    const bool apart = how.chinese_apart == apply && detail::contains(detail::bert_chinese, c);
    if (apart) out.push_back({.c = U' ', .span = from});
    out.push_back({.c = c, .span = from});
    if (apart) out.push_back({.c = U' ', .span = from});
  }
  if (how.strip_accents == apply) out = detail::without_accents(out);
  if (how.lower_case == apply) {
    std::vector<NormalisedCharacter> lower;
    for (const auto& x : out) detail::lower_case(x.c, [&](char32_t c) { lower.push_back({.c = c, .span = x.span}); });
    out = std::move(lower);
  }
  return out;
}

/// Calls f with every word: what lies between white space, and every punctuation mark by itself.
template <class F>
void for_each_word(std::span<const NormalisedCharacter> text, F&& f) {
  std::size_t begin = 0;
  const auto end_word = [&](std::size_t end) {
    if (begin < end) f(text.subspan(begin, end - begin));
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool space = is_white_space(text[i].c);
    if (!space && !detail::contains(detail::bert_punctuation, text[i].c)) continue;
    end_word(i);
    if (!space) f(text.subspan(i, 1));
    begin = i + 1;
  }
  end_word(text.size());
}

}  // namespace modelgrow::inline v0
