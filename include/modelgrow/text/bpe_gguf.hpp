// SPDX-License-Identifier: MIT
// The byte-level BPE tokenizer inside a GGUF file (tokenizer.ggml.*; ggml-org/llama.cpp, src/llama-vocab.cpp).
#pragma once
#include <modelgrow/checkpoint/gguf.hpp>
#include <modelgrow/text/bpe_tokenizer.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// What a name in tokenizer.ggml.pre stands for.
struct GgufPretokenizer {
  std::string_view names;                    // separated by spaces
  std::array<std::string_view, 2> patterns;  // empty ones are not used
  Bpe::WholePieces whole = Bpe::WholePieces::merge;
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
      {" qwen2 deepseek-r1-qwen stablelm2 hunyuan megrez ", {qwen2_pattern, {}}},
  };
  std::string all;
  for (const auto& p : known) {
    if (p.names.find(" " + std::string(name) + " ") != p.names.npos) return p;
    all += p.names.substr(1);
  }
  throw format_error(source + ": the pre-tokenizer '" + std::string(name) + "' is not known; known are: " + all +
                     "(a tokenizer.json beside the model says its patterns itself)");
}

}  // namespace detail

/// Throws format_error when the file has no tokenizer, one of another kind, or one without merges.
inline BpeTokenizer bpe_from_gguf(const Gguf& file) {
  const auto& m = file.metadata();
  const std::string source = file.path().string();
  if (const auto kind = m.text("tokenizer.ggml.model"); kind != "gpt2")
    throw format_error(source + ": the tokenizer is of kind '" + std::string(kind) +
                       "'; expected 'gpt2' (byte-level BPE)");
  const auto texts = m.texts("tokenizer.ggml.tokens");
  if (!m.contains("tokenizer.ggml.merges"))
    throw format_error(source + ": the tokenizer has no merges (tokenizer.ggml.merges): convert the model again");
  Bpe::Merges merges;
  for (auto line : m.texts("tokenizer.ggml.merges")) {
    const auto space = line.find(' ', 1);
    if (space == line.npos) throw format_error(source + ": the merge '" + std::string(line) + "' has no space");
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  std::vector<AddedToken> added;
  if (m.contains("tokenizer.ggml.token_type")) {
    const auto types = m.integers("tokenizer.ggml.token_type");
    if (types.size() != texts.size())
      throw format_error(source + ": there are " + std::to_string(texts.size()) + " tokens, but types for " +
                         std::to_string(types.size()));
    constexpr int control = 3, user_defined = 4;
    for (std::size_t i = 0; i < types.size(); ++i)
      if (types[i] == control || types[i] == user_defined)
        added.push_back(AddedToken{.text = std::string(texts[i]), .id = std::int32_t(i)});
  }
  const auto special = [&](const char* add, const char* id, bool otherwise) {
    std::vector<std::int32_t> ids;
    if (m.flag(add, otherwise)) ids.push_back(std::int32_t(m.integer(id)));
    for (auto i : ids)
      if (i < 0 || std::size_t(i) >= texts.size())
        throw format_error(source + ": '" + id + "' is " + std::to_string(i) + ", but there are " +
                           std::to_string(texts.size()) + " tokens");
    return ids;
  };
  const auto& pre = detail::gguf_pretokenizer(m.text("tokenizer.ggml.pre", "gpt-2"), source);
  BpeTokenizer::Parts parts{
      .bpe = Bpe(std::vector<std::string>(texts.begin(), texts.end()), merges, pre.whole, std::nullopt, source),
      .splits = {},
      .added = AddedTokens(std::move(added)),
      .around = {.before = special("tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id",
                                   pre.whole == Bpe::WholePieces::take),
                 .after = special("tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", false)}};
  for (auto pattern : pre.patterns)
    if (!pattern.empty()) parts.splits.emplace_back(pattern, source);
  return BpeTokenizer(std::move(parts));
}

}  // namespace modelgrow::inline v0
