// SPDX-License-Identifier: MIT
// Byte pair encoding of one piece of text: bytes become symbols, and the pair learnt first is merged first.
// Source: huggingface/tokenizers, models/bpe and pre_tokenizers/byte_level.rs.
#pragma once
#include <algorithm>
#include <array>
#include <queue>
#include <unordered_map>

#include <modelgrow/text/tokenizer.hpp>

namespace modelgrow::inline v0 {

/// The printable character that vocabularies write for each byte: the byte itself where it is printable in Latin-1,
/// otherwise the next one from U+0100 on (so that a space is U+0120).
inline const std::array<char32_t, 256>& byte_characters() {
  static const std::array<char32_t, 256> table = [] {
    std::array<char32_t, 256> characters{};
    char32_t next = 0x100;
    for (unsigned b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      characters[b] = printable ? char32_t(b) : next++;
    }
    return characters;
  }();
  return table;
}

/// Bytes written in these characters. Other characters stay as they are.
inline std::string to_bytes(std::string_view characters) {
  static const std::unordered_map<char32_t, char> byte_of = [] {
    std::unordered_map<char32_t, char> bytes;
    for (unsigned b = 0; b < 256; ++b) bytes.emplace(byte_characters()[b], char(b));
    return bytes;
  }();
  std::string text;
  for (std::size_t i = 0; i < characters.size();) {
    const char32_t c = detail::next_code_point(characters, i);
    if (const auto it = byte_of.find(c); it != byte_of.end())
      text.push_back(it->second);
    else
      detail::append_utf8(text, c);
  }
  return text;
}

/// A vocabulary of tokens written in byte_characters(), and merges.
class Bpe {
 public:
  /// Whether a piece that is a token as a whole is taken without merging (Llama 3).
  enum class WholePieces { merge, take };
  using Merges = std::vector<std::pair<std::string_view, std::string_view>>;

  /// `tokens` by id (empty: no such id). Of equal merges the last counts. A byte that is no token becomes `unknown`, or
  /// nothing when there is none. Throws format_error "<source>: ..." when a merge uses what is no token.
  Bpe(std::vector<std::string> tokens, const Merges& merges, WholePieces whole, std::optional<std::int32_t> unknown,
      const std::string& source)
      : tokens_(std::move(tokens)), whole_(whole) {
    for (std::size_t i = 0; i < tokens_.size(); ++i)
      if (!tokens_[i].empty()) ids_.emplace(tokens_[i], std::int32_t(i));
    for (unsigned b = 0; b < 256; ++b) {
      std::string character;
      detail::append_utf8(character, byte_characters()[b]);
      byte_ids_[b] = find(character).value_or(unknown.value_or(none));
    }
    std::int32_t rank = 0;
    for (const auto& [left, right] : merges) {
      const auto a = find(left), b = find(right), both = find(std::string(left) + std::string(right));
      if (!a || !b || !both)
        throw format_error(source + ": merge " + std::to_string(rank) + " joins '" + std::string(left) + "' and '" +
                           std::string(right) + "', but the vocabulary has no '" +
                           std::string(!a   ? left
                                       : !b ? right
                                            : std::string(left) + std::string(right)) +
                           "'");
      merges_[key(*a, *b)] = Merge{.rank = rank++, .id = *both};
    }
  }

  const std::vector<std::string>& tokens() const { return tokens_; }
  std::optional<std::int32_t> find(std::string_view token) const {
    const auto it = ids_.find(token);
    return it == ids_.end() ? std::nullopt : std::optional(it->second);
  }

  /// Appends the tokens of a piece that begins at byte `begin` of the text.
  void encode(std::string_view piece, std::size_t begin, Tokens& out) const {
    if (whole_ == WholePieces::take) {
      std::string characters;
      for (char c : piece) detail::append_utf8(characters, byte_characters()[static_cast<unsigned char>(c)]);
      if (const auto id = find(characters)) return out.push(*id, {.begin = begin, .end = begin + piece.size()});
    }
    std::vector<Symbol> symbols;
    symbols.reserve(piece.size());
    for (std::size_t i = 0; i < piece.size(); ++i)
      if (const auto id = byte_ids_[static_cast<unsigned char>(piece[i])]; id != none)
        symbols.push_back(Symbol{.id = id,
                                 .previous = std::int64_t(symbols.size()) - 1,
                                 .next = std::int64_t(symbols.size()) + 1,
                                 .span = {.begin = begin + i, .end = begin + i + 1}});
    merge(symbols);
    for (std::size_t i = 0; i < symbols.size(); i = std::size_t(symbols[i].next))
      out.push(symbols[i].id, symbols[i].span);
  }

 private:
  static constexpr std::int32_t none = -1;
  struct Merge {
    std::int32_t rank, id;
  };
  /// A doubly linked list in an array; a symbol that was merged into the one before has id `none`.
  struct Symbol {
    std::int32_t id;
    std::int64_t previous, next;
    TextSpan span;
  };
  /// A pair that could be merged when it was found; out of date once one of its symbols has changed.
  struct Candidate {
    std::int32_t rank;
    std::int64_t at;
    std::int32_t left, right;
    bool operator<(const Candidate& o) const { return std::pair(rank, at) > std::pair(o.rank, o.at); }
  };

  static std::uint64_t key(std::int32_t a, std::int32_t b) {
    return std::uint64_t(std::uint32_t(a)) << 32 | std::uint32_t(b);
  }

  /// Lowest rank first, leftmost first among equals.
  void merge(std::vector<Symbol>& symbols) const {
    const auto n = std::int64_t(symbols.size());
    std::priority_queue<Candidate> queue;
    const auto consider = [&](std::int64_t left) {
      if (left < 0) return;
      const std::int64_t right = symbols[std::size_t(left)].next;
      if (right >= n) return;
      const auto a = symbols[std::size_t(left)].id, b = symbols[std::size_t(right)].id;
      if (const auto it = merges_.find(key(a, b)); it != merges_.end())
        queue.push(Candidate{.rank = it->second.rank, .at = left, .left = a, .right = b});
    };
    for (std::int64_t i = 0; i + 1 < n; ++i) consider(i);
    while (!queue.empty()) {
      const Candidate c = queue.top();
      queue.pop();
      Symbol& left = symbols[std::size_t(c.at)];
      if (left.id != c.left || left.next >= n || symbols[std::size_t(left.next)].id != c.right) continue;
      Symbol& right = symbols[std::size_t(left.next)];
      left.id = merges_.find(key(c.left, c.right))->second.id;
      left.span.end = right.span.end;
      right.id = none;
      left.next = right.next;
      if (left.next < n) symbols[std::size_t(left.next)].previous = c.at;
      consider(left.previous);
      consider(c.at);
    }
  }

  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::vector<std::string> tokens_;
  WholePieces whole_;
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
  std::unordered_map<std::uint64_t, Merge> merges_;
  std::array<std::int32_t, 256> byte_ids_{};
};

}  // namespace modelgrow::inline v0
