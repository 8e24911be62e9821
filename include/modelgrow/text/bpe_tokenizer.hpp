// SPDX-License-Identifier: MIT
// Byte-level BPE as GPT-2, SmolLM, Llama 3 and Qwen use it: added tokens, then pieces by regular expressions, then
// merges.
#pragma once
#include <filesystem>

#include <modelgrow/text/added_tokens.hpp>
#include <modelgrow/text/bpe.hpp>
#include <modelgrow/text/regex_split.hpp>

namespace modelgrow::inline v0 {

/// A tokenizer put together from its parts; bpe_from_gguf and bpe_from_json read them from files.
class BpeTokenizer : public Tokenizer {
 public:
  struct Parts {
    Bpe bpe;
    std::vector<RegexSplit> splits;  // each cuts the pieces of the one before
    AddedTokens added;
    Around around;
  };
  explicit BpeTokenizer(Parts parts) : Tokenizer(std::move(parts.around)), parts_(std::move(parts)) {
    size_ = std::int64_t(parts_.bpe.tokens().size());
    for (const auto& t : parts_.added.tokens()) size_ = std::max(size_, std::int64_t(t.id) + 1);
  }

  std::int64_t vocabulary() const override { return size_; }
  std::optional<std::int32_t> find(std::string_view token) const override {
    for (const auto& t : parts_.added.tokens())
      if (t.text == token) return t.id;
    return parts_.bpe.find(token);
  }
  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string text;
    for (auto id : ids) {
      check_id(id);
      const auto& added = parts_.added.tokens();
      const auto it = std::find_if(added.begin(), added.end(), [&](const auto& t) { return t.id == id; });
      if (it != added.end())
        text += it->text;
      else if (std::size_t(id) < parts_.bpe.tokens().size())
        text += to_bytes(parts_.bpe.tokens()[std::size_t(id)]);
    }
    return text;
  }

 protected:
  void tokenize(std::string_view text, Tokens& tokens) const override {
    parts_.added.split(
        text, {.begin = 0, .end = text.size()},
        [&](std::size_t begin, std::size_t end) { cut(text, {.begin = begin, .end = end}, 0, tokens); },
        [&](const AddedToken& token, std::size_t begin, std::size_t end) {
          tokens.push(token.id, {.begin = begin, .end = end});
        });
  }

 private:
  void cut(std::string_view text, TextSpan span, std::size_t depth, Tokens& tokens) const {
    if (depth == parts_.splits.size())
      return parts_.bpe.encode(text.substr(span.begin, span.end - span.begin), span.begin, tokens);
    parts_.splits[depth].split(text, span, [&](std::size_t begin, std::size_t end) {
      cut(text, {.begin = begin, .end = end}, depth + 1, tokens);
    });
  }
  Parts parts_;
  std::int64_t size_ = 0;
};

namespace detail {

/// The pattern of GPT-2, which upstream's ByteLevel pre-tokenizer has built in.
inline constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace detail

}  // namespace modelgrow::inline v0
