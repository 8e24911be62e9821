// SPDX-License-Identifier: MIT
// The BPE tokenizer inside a GGUF file (tokenizer.ggml.*; ggml-org/llama.cpp, src/llama-vocab.cpp): of bytes, or that
// of SentencePiece.
#pragma once
#include <cmath>
#include <functional>

#include <modelgrow/text/bpe_tokenizer.hpp>
#include <modelgrow/text/gguf_vocabulary.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// What a name in tokenizer.ggml.pre stands for.
struct GgufPretokenizer {
  std::string_view names;                    // separated by spaces
  std::array<std::string_view, 2> patterns;  // empty ones are not used
  Bpe::WholePieces whole = Bpe::WholePieces::merge;
  bool form_c = false;  // upstream normalises to NFC; llama.cpp does not
};

inline constexpr std::string_view llama3_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view qwen2_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

inline const GgufPretokenizer& gguf_pretokenizer(std::string_view name, const std::string& source) {
  static constexpr GgufPretokenizer known[] = {
      {" gpt-2 phi-2 jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code mpt olmo gigachat ",
       {gpt2_pattern, {}}},
      {" smollm starcoder refact command-r codeshell minerva-7b ", {single_number, gpt2_pattern}},
      {" llama3 llama-v3 llama-bpe falcon3 pixtral ", {llama3_pattern, {}}, Bpe::WholePieces::take},
      {" dbrx smaug-bpe ", {llama3_pattern, {}}},
      {" qwen2 ", {qwen2_pattern, {}}, Bpe::WholePieces::merge, true},
      {" deepseek-r1-qwen stablelm2 hunyuan megrez ", {qwen2_pattern, {}}},
  };
  std::string all;
  for (const auto& p : known) {
    if (p.names.find(" " + std::string(name) + " ") != p.names.npos) return p;
    all += p.names.substr(1);
  }
  throw format_error(source + ": the pre-tokenizer '" + std::string(name) + "' is not known; known are: " + all +
                     "(convert the model again, or give a folder with its tokenizer.json, which says its patterns)");
}

inline BpeTokenizer byte_bpe_from_gguf(const GgufVocabulary& v) {
  const auto& m = v.metadata();
  if (!m.contains("tokenizer.ggml.merges"))
    v.fail("the tokenizer has no merges (tokenizer.ggml.merges): convert the model again");
  if (!m.contains("tokenizer.ggml.pre"))
    v.fail(
        "the file does not say how its tokenizer cuts a text (tokenizer.ggml.pre), as files from before May 2024: "
        "convert the model again, or give a folder with its tokenizer.json");
  const auto& pre = gguf_pretokenizer(m.text("tokenizer.ggml.pre"), v.source());
  std::vector<BpeMerge> merges;
  for (auto line : m.texts("tokenizer.ggml.merges")) {
    const auto space = line.find(' ', 1);
    if (space == line.npos) v.fail("the merge '" + std::string(line) + "' has no space");
    merges.push_back(
        {.left = line.substr(0, space), .right = line.substr(space + 1), .rank = std::int32_t(merges.size())});
  }
  Tokenizer::Around around;
  if (m.flag("tokenizer.ggml.add_bos_token", pre.whole == Bpe::WholePieces::take))
    around.before = {v.id("tokenizer.ggml.bos_token_id")};
  if (m.flag("tokenizer.ggml.add_eos_token", false)) around.after = {v.id("tokenizer.ggml.eos_token_id")};
  BpeTokenizer::Parts parts{
      .bpe = Bpe(v.tokens(), merges, {.whole = pre.whole}, v.source()),
      .normaliser = pre.form_c ? Normaliser({{.kind = Normaliser::Step::Kind::nfc}}) : Normaliser(),
      .splits = {},
      .metaspace = {},
      .added = v.added(),
      .around = std::move(around)};
  for (auto pattern : pre.patterns)
    if (!pattern.empty()) parts.splits.emplace_back(pattern, v.source());
  return BpeTokenizer(std::move(parts));
}

/// Every way to put a token together from two others; those of higher scores come first.
inline std::vector<BpeMerge> merges_by_score(const GgufVocabulary& v, const std::vector<double>& scores) {
  std::unordered_map<std::string_view, std::size_t> pieces;
  std::vector<double> order;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (v.type(i) == GgufVocabulary::normal && !v.texts()[i].empty()) {
      pieces.emplace(v.texts()[i], i);
      order.push_back(scores[i]);
    }
  std::sort(order.begin(), order.end(), std::greater<>());
  order.erase(std::unique(order.begin(), order.end()), order.end());
  std::vector<BpeMerge> merges;
  for (const auto& [piece, i] : pieces) {
    const auto rank = std::lower_bound(order.begin(), order.end(), scores[i], std::greater<>()) - order.begin();
    for (std::size_t at = 1; at < piece.size(); ++at)
      if (pieces.contains(piece.substr(0, at)) && pieces.contains(piece.substr(at)))
        merges.push_back({.left = piece.substr(0, at), .right = piece.substr(at), .rank = std::int32_t(rank)});
  }
  return merges;
}

inline BpeTokenizer sentencepiece_bpe_from_gguf(const GgufVocabulary& v) {
  const auto& m = v.metadata();
  const auto scores = m.reals("tokenizer.ggml.scores");
  if (scores.size() != v.texts().size())
    v.fail("there are " + std::to_string(v.texts().size()) + " tokens, but scores for " +
           std::to_string(scores.size()));
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (std::isnan(scores[i])) v.fail("the score of token " + std::to_string(i) + " is no number");
  Tokenizer::Around around;
  if (m.flag("tokenizer.ggml.add_bos_token", true)) around.before = {v.id("tokenizer.ggml.bos_token_id", 1)};
  if (m.flag("tokenizer.ggml.add_eos_token", false)) around.after = {v.id("tokenizer.ggml.eos_token_id", 2)};
  const Bpe::Options options{.symbols = Bpe::Symbols::characters,
                             .fallback = Bpe::ByteFallback::spell,
                             .unknown = v.id("tokenizer.ggml.unknown_token_id", 0)};
  const auto before =
      m.flag("tokenizer.ggml.add_space_prefix", true) ? Normaliser::SpaceBefore::add : Normaliser::SpaceBefore::omit;
  return BpeTokenizer({.bpe = Bpe(v.tokens(), merges_by_score(v, scores), options, v.source()),
                       .normaliser = Normaliser::marked_spaces(before),
                       .splits = {},
                       .metaspace = {},
                       .added = v.added(),
                       .around = std::move(around)});
}

}  // namespace detail

/// Throws format_error when the file has no tokenizer, one of another kind, or one that does not say everything.
inline BpeTokenizer bpe_from_gguf(const Gguf& file) {
  const auto kind = file.metadata().text("tokenizer.ggml.model");
  if (kind != "gpt2" && kind != "llama")
    throw format_error(file.path().string() + ": the tokenizer is of kind '" + std::string(kind) +
                       "'; expected 'gpt2' (byte-level BPE) or 'llama' (the BPE of SentencePiece)");
  const detail::GgufVocabulary vocabulary(file);
  return kind == "gpt2" ? detail::byte_bpe_from_gguf(vocabulary) : detail::sentencepiece_bpe_from_gguf(vocabulary);
}

}  // namespace modelgrow::inline v0
