// SPDX-License-Identifier: MIT
// What all tokenizers inside GGUF files have in common: tokens and their types, and the ids around a text
// (ggml-org/llama.cpp, src/llama-vocab.cpp).
#pragma once
#include <modelgrow/checkpoint/gguf.hpp>
#include <modelgrow/text/added_tokens.hpp>

namespace modelgrow::inline v0::detail {

/// The keys tokenizer.ggml.*; every error begins with the path of the file.
class GgufVocabulary {
 public:
  enum Type : std::int64_t { normal = 1, unknown = 2, control = 3, user_defined = 4 };

  /// Throws format_error.
  explicit GgufVocabulary(const Gguf& file) : metadata_(file.metadata()), source_(file.path().string()) {
    texts_ = metadata_.texts("tokenizer.ggml.tokens");
    if (!metadata_.contains("tokenizer.ggml.token_type")) return;
    types_ = metadata_.integers("tokenizer.ggml.token_type");
    if (types_.size() != texts_.size())
      fail("there are " + std::to_string(texts_.size()) + " tokens, but types for " + std::to_string(types_.size()));
  }

  [[noreturn]] void fail(const std::string& what) const { throw format_error(source_ + ": " + what); }
  const GgufMetadata& metadata() const { return metadata_; }
  const std::string& source() const { return source_; }
  const std::vector<std::string_view>& texts() const { return texts_; }
  std::vector<std::string> tokens() const { return {texts_.begin(), texts_.end()}; }
  std::int64_t type(std::size_t id) const { return types_.empty() ? std::int64_t(normal) : types_[id]; }

  /// Tokens that are found in a text before it is cut. What is no UTF-8 is never looked for, as it might be found
  /// within a character.
  AddedTokens added() const {
    std::vector<AddedToken> added;
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      const bool whole = type(i) == unknown || type(i) == control || type(i) == user_defined;
      if (whole && is_utf8(texts_[i])) added.push_back({.text = std::string(texts_[i]), .id = std::int32_t(i)});
    }
    return AddedTokens(std::move(added));
  }
  /// The id under a key, which must be that of a token; `otherwise` (-1: none) where there is no such key.
  std::int32_t id(const char* key, std::int64_t otherwise = -1) const {
    const auto i = otherwise < 0 ? metadata_.integer(key) : metadata_.integer(key, otherwise);
    if (i < 0 || std::uint64_t(i) >= texts_.size())
      fail("'" + std::string(key) + "' is " + std::to_string(i) + ", but there are " + std::to_string(texts_.size()) +
           " tokens");
    return std::int32_t(i);
  }

 private:
  const GgufMetadata& metadata_;
  std::string source_;
  std::vector<std::string_view> texts_;
  std::vector<std::int64_t> types_;
};

}  // namespace modelgrow::inline v0::detail
