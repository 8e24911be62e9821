// SPDX-License-Identifier: MIT
// What every tokenizer offers: text to token ids and back, with the bytes of the text that each token stands for.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/detail/utf8.hpp>

namespace modelgrow::inline v0 {

/// Bytes [begin, end) of a text.
struct TextSpan {
  std::size_t begin = 0, end = 0;
  bool operator==(const TextSpan&) const = default;
};

/// Token ids and, for each, its bytes in the text; tokens that stand for no text (begin, end of sequence) have an empty
/// span.
struct Tokens {
  std::vector<std::int32_t> ids;
  std::vector<TextSpan> spans;
  void push(std::int32_t id, TextSpan span) {
    ids.push_back(id);
    spans.push_back(span);
  }
};

/// Whether encode() puts the tokens around a text that its model was trained with (such as [CLS] and [SEP]).
enum class SpecialTokens { add, omit };

/// Base of all tokenizers. Objects do not change after construction: any number of threads may use one.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Tokens of a text. Names of special tokens inside the text become those tokens. Throws format_error for malformed
  /// UTF-8.
  Tokens encode(std::string_view text, SpecialTokens specials = SpecialTokens::add) const {
    if (const auto valid = detail::valid_utf8_prefix(text); valid != text.size())
      throw format_error("the text is not UTF-8 at byte " + std::to_string(valid) + " of " +
                         std::to_string(text.size()) + ": convert it, or drop what is malformed");
    Tokens tokens;
    if (specials == SpecialTokens::add)
      for (auto id : around_.before) tokens.push(id, {});
    tokenize(text, tokens);
    if (specials == SpecialTokens::add)
      for (auto id : around_.after) tokens.push(id, {.begin = text.size(), .end = text.size()});
    return tokens;
  }
  /// Text of token ids; special tokens appear by name. Throws format_error for ids outside the vocabulary.
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;
  /// One more than the largest id.
  virtual std::int64_t vocabulary() const = 0;
  /// Id of a token as the vocabulary writes it.
  virtual std::optional<std::int32_t> find(std::string_view token) const = 0;

  /// Ids that encode() puts before and after every text.
  struct Around {
    std::vector<std::int32_t> before, after;
  };
  const Around& around() const { return around_; }

 protected:
  explicit Tokenizer(Around around) : around_(std::move(around)) {}
  /// Appends the tokens of valid UTF-8.
  virtual void tokenize(std::string_view text, Tokens& tokens) const = 0;
  /// Throws format_error unless 0 <= id < vocabulary().
  void check_id(std::int32_t id) const {
    if (id < 0 || id >= vocabulary())
      throw format_error("there is no token " + std::to_string(id) + "; the vocabulary has " +
                         std::to_string(vocabulary()));
  }

 private:
  Around around_;
};

}  // namespace modelgrow::inline v0
