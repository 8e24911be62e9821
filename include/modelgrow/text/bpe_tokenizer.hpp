// SPDX-License-Identifier: MIT
// Byte-level BPE as GPT-2, SmolLM, Llama 3 and Qwen use it: added tokens, then pieces by regular expressions, then
// merges.
#pragma once
#include <filesystem>

#include <modelgrow/text/added_tokens.hpp>
#include <modelgrow/text/bpe.hpp>
#include <modelgrow/text/regex_split.hpp>

namespace modelgrow::inline v0 {

/// How the pieces between added tokens get their marks for spaces, where that is not the normalizer's work
/// (pre_tokenizers/metaspace.rs).
struct Metaspace {
  enum class Before { never, first, always } before = Before::always;  // a mark before: the first piece, each piece
  enum class Split { no, at_marks } split = Split::at_marks;
};

/// Marks the spaces of a piece that begins a text where its source begins at 0, and calls f(TextSpan) for its parts.
template <class F>
void for_each_marked(const Metaspace& how, NormalisedText& piece, F&& f) {
  if (piece.text.empty()) return;
  const bool first = piece.source[0].begin == 0;
  piece.replace(" ", space_mark);
  if (how.before == Metaspace::Before::always || (how.before == Metaspace::Before::first && first))
    if (!piece.text.starts_with(space_mark)) piece.prepend(space_mark);
  std::size_t begin = 0;
  if (how.split == Metaspace::Split::at_marks)
    for (auto at = piece.text.find(space_mark, 1); at != piece.text.npos; at = piece.text.find(space_mark, at + 1)) {
      f(TextSpan{.begin = begin, .end = at});
      begin = at;
    }
  f(TextSpan{.begin = begin, .end = piece.text.size()});
}

/// A tokenizer put together from its parts; bpe_from_gguf and bpe_from_json read them from files.
class BpeTokenizer : public Tokenizer {
 public:
  struct Parts {
    Bpe bpe;
    Normaliser normaliser;
    std::vector<RegexSplit> splits;  // each cuts the pieces of the one before
    std::optional<Metaspace> metaspace;
    AddedTokens added;
    Around around;
  };
  explicit BpeTokenizer(Parts parts)
      : Tokenizer(std::move(parts.around)),
        parts_(std::move(parts)),
        in_text_(parts_.added.in_text()),
        in_normalised_text_(parts_.added.in_normalised_text(parts_.normaliser)) {
    size_ = std::int64_t(parts_.bpe.tokens().size());
    for (const auto& t : parts_.added.tokens()) size_ = std::max(size_, std::int64_t(t.id) + 1);
  }

  std::int64_t vocabulary() const override { return size_; }
  std::optional<std::int32_t> find(std::string_view token) const override {
    for (const auto& t : parts_.added.tokens())
      if (t.text == token) return t.id;
    return parts_.bpe.find(token);
  }
  /// Where spaces are marks, the one before the text is left out.
  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string text;
    for (auto id : ids) {
      check_id(id);
      const auto& added = parts_.added.tokens();
      const auto it = std::find_if(added.begin(), added.end(), [&](const auto& t) { return t.id == id; });
      if (it != added.end())
        text += it->text;
      else if (std::size_t(id) < parts_.bpe.tokens().size())
        text += parts_.bpe.text_of(std::size_t(id));
    }
    if (parts_.bpe.options().symbols == Bpe::Symbols::characters && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

 protected:
  void tokenize(std::string_view text, Tokens& tokens) const override {
    in_text_.split(
        text, {.begin = 0, .end = text.size()},
        [&](std::size_t begin, std::size_t end) { section(text, {.begin = begin, .end = end}, tokens); },
        [&](const AddedToken& token, std::size_t begin, std::size_t end) {
          tokens.push(token.id, {.begin = begin, .end = end});
        });
  }

 private:
  /// Text between the added tokens that are looked for first.
  void section(std::string_view text, TextSpan span, Tokens& tokens) const {
    const auto push = [&](const AddedToken& token, TextSpan at) { tokens.push(token.id, at); };
    if (!parts_.metaspace && !parts_.normaliser.may_change(text.substr(span.begin, span.end - span.begin)))
      return in_normalised_text_.split(
          text, span, [&](std::size_t begin, std::size_t end) { cut(text, {.begin = begin, .end = end}, 0, tokens); },
          [&](const AddedToken& t, std::size_t begin, std::size_t end) { push(t, {.begin = begin, .end = end}); });
    const NormalisedText n = parts_.normaliser.apply(text, span);
    in_normalised_text_.split(
        n.text, {.begin = 0, .end = n.text.size()},
        [&](std::size_t begin, std::size_t end) { cut(n.part(begin, end), tokens); },
        [&](const AddedToken& t, std::size_t begin, std::size_t end) { push(t, n.at(begin, end)); });
  }
  /// Normalised text without added tokens.
  void cut(NormalisedText n, Tokens& tokens) const {
    Tokens part;
    if (parts_.metaspace)
      for_each_marked(*parts_.metaspace, n, [&](TextSpan piece) { cut(n.text, piece, 0, part); });
    else
      cut(n.text, {.begin = 0, .end = n.text.size()}, 0, part);
    for (std::size_t i = 0; i < part.ids.size(); ++i)
      tokens.push(part.ids[i], n.at(part.spans[i].begin, part.spans[i].end));
  }
  void cut(std::string_view text, TextSpan span, std::size_t depth, Tokens& tokens) const {
    if (depth == parts_.splits.size())
      return parts_.bpe.encode(text.substr(span.begin, span.end - span.begin), span.begin, tokens);
    parts_.splits[depth].split(text, span, [&](std::size_t begin, std::size_t end) {
      cut(text, {.begin = begin, .end = end}, depth + 1, tokens);
    });
  }
  Parts parts_;
  AddedTokens in_text_, in_normalised_text_;
  std::int64_t size_ = 0;
};

namespace detail {

/// The pattern of GPT-2, which upstream's ByteLevel pre-tokenizer has built in.
inline constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace detail

}  // namespace modelgrow::inline v0
