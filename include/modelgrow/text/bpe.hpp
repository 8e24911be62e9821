// SPDX-License-Identifier: MIT
// Byte pair encoding of one piece of text: bytes or characters become symbols, and the pair learnt first is merged
// first. Source: huggingface/tokenizers, models/bpe and pre_tokenizers/byte_level.rs.
#pragma once
#include <array>
#include <cstdio>

#include <modelgrow/text/bpe_merges.hpp>
#include <modelgrow/text/normaliser.hpp>

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

/// Bytes written in these characters. Other characters, and bytes that are no UTF-8, stay as they are.
inline std::string to_bytes(std::string_view characters) {
  static const std::unordered_map<char32_t, char> byte_of = [] {
    std::unordered_map<char32_t, char> bytes;
    for (unsigned b = 0; b < 256; ++b) bytes.emplace(byte_characters()[b], char(b));
    return bytes;
  }();
  std::string text;
  for (std::size_t i = 0, valid = 0; i < characters.size();) {
    if (i >= valid) valid = i + detail::valid_utf8_prefix(characters.substr(i));
    if (i == valid) {
      text.push_back(characters[i++]);
      continue;
    }
    const char32_t c = detail::next_code_point(characters, i);
    if (const auto it = byte_of.find(c); it != byte_of.end())
      text.push_back(it->second);
    else
      detail::append_utf8(text, c);
  }
  return text;
}

/// A vocabulary and merges.
class Bpe {
 public:
  /// What pieces begin as: bytes, which the vocabulary writes in byte_characters(), or characters, as SentencePiece has
  /// it, with space_mark for the space and, with `spell`, the tokens <0x00> to <0xFF> for what is no token.
  enum class Symbols { bytes, characters };
  enum class ByteFallback { omit, spell };
  /// Whether a piece that is a token as a whole is taken without merging (Llama 3).
  enum class WholePieces { merge, take };
  /// Whether neighbours that are unknown become one token.
  enum class Unknowns { single, fused };
  struct Options {
    Symbols symbols = Symbols::bytes;
    ByteFallback fallback = ByteFallback::omit;
    WholePieces whole = WholePieces::merge;
    Unknowns unknowns = Unknowns::single;
    std::optional<std::int32_t> unknown = {};  // what is no token becomes this one, or nothing
  };

  /// `tokens` by id (empty: no such id). Of equal merges the last counts. Throws format_error "<source>: ..." when a
  /// merge uses what is no token.
  Bpe(std::vector<std::string> tokens, const std::vector<BpeMerge>& merges, Options options, const std::string& source)
      : tokens_(std::move(tokens)), options_(options) {
    for (std::size_t i = 0; i < tokens_.size(); ++i)
      if (!tokens_[i].empty()) ids_.emplace(tokens_[i], std::int32_t(i));
    for (unsigned b = 0; b < 256; ++b) byte_ids_[b] = find(name_of_byte(b)).value_or(none);
    for (const auto& m : merges) {
      const std::string whole = std::string(m.left) + std::string(m.right);
      const auto a = find(m.left), b = find(m.right), both = find(whole);
      if (!a || !b || !both)
        throw format_error(source + ": merge " + std::to_string(m.rank) + " joins '" + std::string(m.left) + "' and '" +
                           std::string(m.right) + "', but the vocabulary has no '" +
                           std::string(!a   ? m.left
                                       : !b ? m.right
                                            : whole) +
                           "'");
      merges_.add(*a, *b, m.rank, *both);
    }
  }

  const Options& options() const { return options_; }
  const std::vector<std::string>& tokens() const { return tokens_; }
  std::optional<std::int32_t> find(std::string_view token) const {
    const auto it = ids_.find(token);
    return it == ids_.end() ? std::nullopt : std::optional(it->second);
  }
  /// The text that a token stands for.
  std::string text_of(std::size_t id) const {
    const std::string& token = tokens_[id];
    if (options_.symbols == Symbols::bytes) return to_bytes(token);
    if (options_.fallback == ByteFallback::spell)
      for (unsigned b = 0; b < 256; ++b)
        if (byte_ids_[b] == std::int32_t(id)) return std::string(1, char(b));
    std::string text;
    for (std::size_t i = 0; i < token.size();) {
      const bool space = std::string_view(token).substr(i).starts_with(space_mark);
      text.push_back(space ? ' ' : token[i]);
      i += space ? space_mark.size() : 1;
    }
    return text;
  }

  /// Appends the tokens of a piece, which must be valid UTF-8 and begins at byte `begin` of the text.
  void encode(std::string_view piece, std::size_t begin, Tokens& out) const {
    const bool bytes = options_.symbols == Symbols::bytes;
    if (options_.whole == WholePieces::take) {
      std::string characters;
      for (char c : piece)
        if (bytes)
          detail::append_utf8(characters, byte_characters()[static_cast<unsigned char>(c)]);
        else
          characters.push_back(c);
      if (const auto id = find(characters)) return out.push(*id, {.begin = begin, .end = begin + piece.size()});
    }
    std::vector<BpeSymbol> symbols;
    symbols.reserve(piece.size());
    bool after_unknown = false;
    for (std::size_t i = 0; i < piece.size();) {
      std::size_t end = i + 1;
      if (!bytes) detail::next_code_point(piece, end = i);
      after_unknown = symbol(piece.substr(i, end - i), begin + i, after_unknown, symbols);
      i = end;
    }
    merges_.apply(symbols);
    for (std::size_t i = 0; i < symbols.size(); i = std::size_t(symbols[i].next))
      out.push(symbols[i].id, symbols[i].span);
  }

 private:
  static constexpr std::int32_t none = -1;

  std::string name_of_byte(unsigned b) const {
    std::string name;
    if (options_.symbols == Symbols::bytes) {
      detail::append_utf8(name, byte_characters()[b]);
    } else if (options_.fallback == ByteFallback::spell) {
      char text[8];
      std::snprintf(text, sizeof text, "<0x%02X>", b);
      name = text;
    }
    return name;
  }
  std::int32_t byte_id(char c) const { return byte_ids_[static_cast<unsigned char>(c)]; }
  /// Appends the symbols of a byte or a character; true when it is unknown.
  bool symbol(std::string_view unit, std::size_t at, bool after_unknown, std::vector<BpeSymbol>& symbols) const {
    const auto add = [&](std::int32_t id, TextSpan span) {
      const auto i = std::int64_t(symbols.size());
      symbols.push_back({.id = id, .previous = i - 1, .next = i + 1, .span = span});
    };
    const TextSpan all{.begin = at, .end = at + unit.size()};
    const auto id = options_.symbols == Symbols::bytes ? std::optional(byte_id(unit[0])) : find(unit);
    if (id && *id != none) {
      add(*id, all);
      return false;
    }
    const bool spelt = options_.symbols == Symbols::characters && options_.fallback == ByteFallback::spell &&
                       std::all_of(unit.begin(), unit.end(), [&](char c) { return byte_id(c) != none; });
    if (spelt) {
      for (std::size_t i = 0; i < unit.size(); ++i) add(byte_id(unit[i]), {.begin = at + i, .end = at + i + 1});
      return false;
    }
    if (!options_.unknown) return false;
    if (after_unknown && options_.unknowns == Unknowns::fused)
      symbols.back().span.end = all.end;
    else
      add(*options_.unknown, all);
    return true;
  }

  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::vector<std::string> tokens_;
  Options options_;
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
  BpeMerges merges_;
  std::array<std::int32_t, 256> byte_ids_{};
};

}  // namespace modelgrow::inline v0
