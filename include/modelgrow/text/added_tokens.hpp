// SPDX-License-Identifier: MIT
// Tokens that are found in the text before anything else: special tokens, and words added to a finished vocabulary.
// Source: huggingface/tokenizers, tokenizer/added_vocabulary.rs.
#pragma once
#include <algorithm>
#include <array>

#include <modelgrow/text/tokenizer.hpp>

namespace modelgrow::inline v0 {

/// The White_Space property of Unicode.
constexpr bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/// One added token; `strip_left` and `strip_right` make it swallow the white space beside it. A `normalised` one is
/// looked for after the others, in normalised text and by its own text normalised.
struct AddedToken {
  std::string text;
  std::int32_t id = 0;
  bool strip_left = false, strip_right = false, normalised = false;
};

/// Finds added tokens: the leftmost, of those the longest.
class AddedTokens {
 public:
  AddedTokens() = default;
  /// Tokens without text are left out.
  explicit AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
    std::erase_if(tokens_, [](const auto& t) { return t.text.empty(); });
    std::stable_sort(tokens_.begin(), tokens_.end(),
                     [](const auto& a, const auto& b) { return a.text.size() > b.text.size(); });
    for (std::size_t i = 0; i < tokens_.size(); ++i)
      by_first_[static_cast<unsigned char>(tokens_[i].text[0])].push_back(i);
  }

  const std::vector<AddedToken>& tokens() const { return tokens_; }
  bool empty() const { return tokens_.empty(); }
  /// Those that are looked for in the text itself.
  AddedTokens in_text() const {
    auto tokens = tokens_;
    std::erase_if(tokens, [](const auto& t) { return t.normalised; });
    return AddedTokens(std::move(tokens));
  }
  /// Those that are looked for in what `normalise` (text -> text) makes of it.
  template <class Normalise>
  AddedTokens in_normalised_text(Normalise&& normalise) const {
    auto tokens = tokens_;
    std::erase_if(tokens, [](const auto& t) { return !t.normalised; });
    for (auto& t : tokens) t.text = normalise(t.text);
    return AddedTokens(std::move(tokens));
  }

  /// Calls between(begin, end) for text without added tokens and found(token, begin, end) for the others, in order.
  template <class Between, class Found>
  void split(std::string_view text, TextSpan span, Between&& between, Found&& found) const {
    std::size_t done = span.begin;
    for (std::size_t at = span.begin; at < span.end;) {
      const AddedToken* token = match(text.substr(at, span.end - at));
      if (!token) {
        ++at;
        continue;
      }
      std::size_t begin = at, end = at + token->text.size();
      if (token->strip_left) begin = white_space_before(text, done, begin);
      if (token->strip_right) end = white_space_behind(text, end, span.end);
      if (done < begin) between(done, begin);
      found(*token, begin, end);
      done = at = end;
    }
    if (done < span.end) between(done, span.end);
  }

 private:
  const AddedToken* match(std::string_view text) const {
    for (auto i : by_first_[static_cast<unsigned char>(text[0])])
      if (text.starts_with(tokens_[i].text)) return &tokens_[i];
    return nullptr;
  }
  static std::size_t white_space_behind(std::string_view text, std::size_t at, std::size_t end) {
    while (at < end) {
      std::size_t next = at;
      if (!is_white_space(detail::next_code_point(text, next))) break;
      at = next;
    }
    return at;
  }
  static std::size_t white_space_before(std::string_view text, std::size_t begin, std::size_t at) {
    while (at > begin) {
      std::size_t last = at - 1;
      while (last > begin && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
      std::size_t next = last;
      if (!is_white_space(detail::next_code_point(text, next))) break;
      at = last;
    }
    return at;
  }
  std::vector<AddedToken> tokens_;  // longest first
  std::array<std::vector<std::size_t>, 256> by_first_;
};

}  // namespace modelgrow::inline v0
