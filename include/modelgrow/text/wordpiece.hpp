// SPDX-License-Identifier: MIT
// WordPiece, the tokenizer of BERT: each word becomes its longest known beginning, then the longest continuations.
// Source: huggingface/tokenizers, models/wordpiece/mod.rs.
#pragma once
#include <unordered_map>

#include <modelgrow/text/bert_normaliser.hpp>
#include <modelgrow/text/tokenizer_json.hpp>

namespace modelgrow::inline v0 {

/// A tokenizer put together from its parts; wordpiece_from_json reads them from a file.
class WordPieceTokenizer : public Tokenizer {
 public:
  struct Parts {
    std::vector<std::string> tokens;  // by id; those that continue a word begin with `continuation`
    std::string continuation = "##";
    std::int32_t unknown = 0;
    std::size_t longest_word = 100;  // characters; longer words are unknown
    BertNormaliser normaliser = {};
    AddedTokens added = {};
    Around around = {};
  };
  explicit WordPieceTokenizer(Parts parts)
      : Tokenizer(parts.around),
        parts_(std::move(parts)),
        in_text_(parts_.added.in_text()),
        in_normalised_text_(parts_.added.in_normalised_text([&](std::string_view text) {
          std::string out;
          for (const auto& c : normalise(parts_.normaliser, text, {.begin = 0, .end = text.size()}))
            detail::append_utf8(out, c.c);
          return out;
        })) {
    for (std::size_t i = 0; i < parts_.tokens.size(); ++i)
      if (!parts_.tokens[i].empty()) ids_.emplace(parts_.tokens[i], std::int32_t(i));
    size_ = std::int64_t(parts_.tokens.size());
    for (const auto& t : parts_.added.tokens()) size_ = std::max(size_, std::int64_t(t.id) + 1);
  }

  std::int64_t vocabulary() const override { return size_; }
  std::optional<std::int32_t> find(std::string_view token) const override {
    for (const auto& t : parts_.added.tokens())
      if (t.text == token) return t.id;
    const auto it = ids_.find(token);
    return it == ids_.end() ? std::nullopt : std::optional(it->second);
  }
  /// Words with one space between them.
  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string text;
    for (auto id : ids) {
      check_id(id);
      std::string_view token;
      if (std::size_t(id) < parts_.tokens.size()) token = parts_.tokens[std::size_t(id)];
      for (const auto& t : parts_.added.tokens())
        if (t.id == id) token = t.text;
      const bool continues = !text.empty() && token.starts_with(parts_.continuation);
      if (!text.empty() && !continues) text.push_back(' ');
      text += continues ? token.substr(parts_.continuation.size()) : token;
    }
    return text;
  }

 protected:
  void tokenize(std::string_view text, Tokens& tokens) const override {
    in_text_.split(
        text, {.begin = 0, .end = text.size()},
        [&](std::size_t begin, std::size_t end) {
          section(normalise(parts_.normaliser, text, {.begin = begin, .end = end}), tokens);
        },
        [&](const AddedToken& token, std::size_t begin, std::size_t end) {
          tokens.push(token.id, {.begin = begin, .end = end});
        });
  }

 private:
  /// Normalised text between the added tokens that are looked for first.
  void section(std::span<const NormalisedCharacter> characters, Tokens& tokens) const {
    const auto words = [&](std::span<const NormalisedCharacter> part) {
      for_each_word(part, [&](std::span<const NormalisedCharacter> word) { cut(word, tokens); });
    };
    if (in_normalised_text_.empty()) return words(characters);
    std::string text;
    std::vector<std::size_t> begins;  // of each character in `text`
    for (const auto& c : characters) {
      begins.push_back(text.size());
      detail::append_utf8(text, c.c);
    }
    const auto part = [&](std::size_t begin, std::size_t end) {
      const auto at = [&](std::size_t byte) {
        return std::size_t(std::lower_bound(begins.begin(), begins.end(), byte) - begins.begin());
      };
      return characters.subspan(at(begin), at(end) - at(begin));
    };
    in_normalised_text_.split(
        text, {.begin = 0, .end = text.size()}, [&](std::size_t begin, std::size_t end) { words(part(begin, end)); },
        [&](const AddedToken& token, std::size_t begin, std::size_t end) {
          const auto found = part(begin, end);
          tokens.push(token.id, {.begin = found.front().span.begin, .end = found.back().span.end});
        });
  }
  void cut(std::span<const NormalisedCharacter> word, Tokens& tokens) const {
    const TextSpan all{.begin = word.front().span.begin, .end = word.back().span.end};
    if (word.size() > parts_.longest_word) return tokens.push(parts_.unknown, all);
    std::string text;
    std::vector<std::size_t> ends;  // of each character in `text`
    for (const auto& c : word) {
      detail::append_utf8(text, c.c);
      ends.push_back(text.size());
    }
    Tokens pieces;
    for (std::size_t first = 0; first < word.size();) {
      const std::size_t begin = first ? ends[first - 1] : 0;
      std::size_t last = word.size();  // one behind the piece
      std::optional<std::int32_t> id;
      for (; last > first; --last) {
        std::string piece = first ? parts_.continuation : std::string();
        piece.append(text, begin, ends[last - 1] - begin);
        if (const auto it = ids_.find(piece); it != ids_.end()) {
          id = it->second;
          break;
        }
      }
      if (!id) return tokens.push(parts_.unknown, all);
      pieces.push(*id, {.begin = word[first].span.begin, .end = word[last - 1].span.end});
      first = last;
    }
    for (std::size_t i = 0; i < pieces.ids.size(); ++i) tokens.push(pieces.ids[i], pieces.spans[i]);
  }

  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  Parts parts_;
  AddedTokens in_text_, in_normalised_text_;
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
  std::int64_t size_ = 0;
};

namespace detail {

inline WordPieceTokenizer wordpiece_from_json(const TokenizerJson& file) {
  const auto& model = file.member(file.root(), "model");
  // Files from before 2021 have no type.
  if (const auto& type = file.member(model, "type"); !type.is_null() && type != "WordPiece")
    file.fail("the tokenizer is of type " + type.dump() + "; expected \"WordPiece\"");
  if (const auto type = file.text(file.member(file.root(), "pre_tokenizer"), "type"); type != "BertPreTokenizer")
    file.fail("the pre-tokenizer is '" + type + "'; expected 'BertPreTokenizer'");
  const auto& normaliser = file.member(file.root(), "normalizer");
  if (const auto type = file.text(normaliser, "type"); type != "BertNormalizer")
    file.fail("the normalizer is '" + type + "'; expected 'BertNormalizer'");

  const auto step = [&](const char* key, bool otherwise) {
    return file.flag(normaliser, key, otherwise) ? BertNormaliser::Step::apply : BertNormaliser::Step::skip;
  };
  const bool lower = file.flag(normaliser, "lowercase", true);
  WordPieceTokenizer::Parts parts{.tokens = file.vocabulary(file.member(model, "vocab")),
                                  .normaliser = {.clean_text = step("clean_text", true),
                                                 .chinese_apart = step("handle_chinese_chars", true),
                                                 .strip_accents = step("strip_accents", lower),
                                                 .lower_case = step("lowercase", true)},
                                  .added = AddedTokens(file.added_tokens()),
                                  .around = {}};
  parts.around = file.around(parts.tokens.size(), parts.added);
  if (const auto& v = file.member(model, "continuing_subword_prefix"); !v.is_null())
    parts.continuation = file.text(model, "continuing_subword_prefix");
  if (const auto& v = file.member(model, "max_input_chars_per_word"); !v.is_null()) {
    if (!v.is_number_unsigned()) file.fail("'max_input_chars_per_word' is " + v.dump() + "; expected a number");
    parts.longest_word = v.get<std::size_t>();
  }
  const auto unknown = std::find(parts.tokens.begin(), parts.tokens.end(), file.text(model, "unk_token"));
  if (unknown == parts.tokens.end()) file.fail("the unk_token is not in the vocabulary");
  parts.unknown = std::int32_t(unknown - parts.tokens.begin());
  return WordPieceTokenizer(std::move(parts));
}

}  // namespace detail

/// The WordPiece tokenizer in a tokenizer.json. Truncation and padding in the file are left to the caller. Throws
/// io_error when the file cannot be read; format_error when it is damaged or says something that this library would
/// tokenize differently.
inline WordPieceTokenizer wordpiece_from_json(const std::filesystem::path& path) {
  return detail::wordpiece_from_json(detail::TokenizerJson(path));
}

}  // namespace modelgrow::inline v0
