// SPDX-License-Identifier: MIT
// A small transformer encoder for captions, of bytes or of the words of a small vocabulary, trained together with the
// video model it serves.
#pragma once
#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/models/byte_encoder_json.hpp>
#include <modelgrow/models/byte_ngrams.hpp>
#include <modelgrow/models/word_tokens.hpp>
#include <modelgrow/nn/caption_embedder.hpp>
#include <modelgrow/nn/layer_norm.hpp>
#include <modelgrow/nn/mlp.hpp>
#include <modelgrow/nn/self_attention.hpp>
#include <modelgrow/ops/add.hpp>
#include <modelgrow/ops/embedding.hpp>
#include <modelgrow/ops/reshape.hpp>

namespace modelgrow::inline v0 {

/// One pre-norm block with affine LayerNorms; attention over the valid tokens of a caption.
template <class T, Device D>
struct ByteEncoderBlock {
  LayerNorm<T, D> norm1, norm2;
  SelfAttention<T, D> attn;
  Mlp<T, D> mlp;

  explicit ByteEncoderBlock(const ByteEncoderConfig& c)
      : norm1(c.width),
        norm2(c.width),
        attn(c.width, Space{.name = {}, .size = c.num_heads}, c.width / c.num_heads),
        mlp(c.width, 4 * c.width, c.width, Init::xavier(), Writes::residual) {}

  static void describe(auto& self, auto& v) {
    v.child("norm1", self.norm1);
    v.child("attn", self.attn);
    v.child("norm2", self.norm2);
    v.child("mlp", self.mlp);
  }
  /// x [B,1,L,width].
  Var<T, D> operator()(Tape<T, D>& tape, Var<T, D> x, const Tensor<std::int32_t, D>& lengths) {
    x = add(tape, x, attn(tape, norm1(tape, x), Along::space, lengths));
    return add(tape, x, mlp(tape, norm2(tape, x)));
  }
};

/// Captions -> text states. The interface every text encoder has: width(), max_length(), encode().
template <class T, Device D>
struct ByteEncoder {
  static constexpr std::string_view family = "byte_encoder";
  using Config = ByteEncoderConfig;

  Config config;
  Parameter<T, D> token_embedding, position_embedding;
  std::optional<NgramEmbedding<T, D>> ngram_embedding;
  std::vector<ByteEncoderBlock<T, D>> blocks;
  LayerNorm<T, D> norm;

  explicit ByteEncoder(const Config& c);

  static void describe(auto& self, auto& v) {
    v("token_embedding.weight", self.token_embedding);
    v("position_embedding.weight", self.position_embedding);
    v.child("ngram_embedding", self.ngram_embedding);
    v.stack("blocks", self.blocks);
    v.child("norm", self.norm);
  }
  std::int64_t width() const { return config.width; }
  std::int64_t max_length() const { return config.max_length; }

  /// States [B, longest, width] and the number of valid tokens of each caption.
  TextStates<T, D> encode(Tape<T, D>& tape, std::span<const std::string> captions);
};

template <class T, Device D>
ByteEncoder<T, D>::ByteEncoder(const Config& c) : config(c) {
  if (c.num_heads <= 0 || c.width % c.num_heads != 0 || c.max_length < 3 || c.ngram_buckets < 0)
    throw shape_error(
        "[ByteEncoder config] width must be divisible by num_heads, max_length at least 3, ngram_buckets not "
        "negative");
  const std::int64_t vocabulary = c.words.empty() ? ByteTokens::vocabulary : WordTokens::vocabulary(c.words);
  token_embedding = Parameter<T, D>(ParamInfo{.axes = {fixed(vocabulary), out(c.width)}, .init = Init::normal(1.0)});
  position_embedding =
      Parameter<T, D>(ParamInfo{.axes = {fixed(c.max_length), out(c.width)}, .init = Init::normal(0.3)});
  if (c.ngram_buckets > 0) ngram_embedding.emplace(c.ngram_buckets, c.width);
  blocks.reserve(std::size_t(c.depth));
  for (std::int64_t i = 0; i < c.depth; ++i) blocks.emplace_back(c);
  // Fresh states are quiet: loud ones disturb a video model that cannot read yet, and it learns to ignore them for
  // good.
  norm = LayerNorm<T, D>(c.width, 1e-5, Init::constant(0.4));
}

template <class T, Device D>
TextStates<T, D> ByteEncoder<T, D>::encode(Tape<T, D>& tape, std::span<const std::string> captions) {
  const TextTokens tokens = config.words.empty() ? TextTokens(ByteTokens(captions, config.max_length))
                                                 : TextTokens(WordTokens(captions, config.words, config.max_length));
  const auto upload = [](const std::vector<std::int32_t>& v, Shape shape) {
    Tensor<std::int32_t, D> t(std::move(shape));
    D::from_host(t.data(), v.data(), t.bytes());
    return t;
  };
  const auto ids = upload(tokens.ids, {tokens.batch, tokens.length});
  std::vector<std::int32_t> order(tokens.ids.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = std::int32_t(std::int64_t(i) % tokens.length);
  const auto positions = upload(order, {tokens.batch, tokens.length});

  TextStates<T, D> text;
  text.lengths = upload(tokens.lengths, {tokens.batch});
  Var<T, D> x = add(tape, embedding(tape, ids, tape.use(token_embedding)),
                    embedding(tape, positions, tape.use(position_embedding)));
  if (ngram_embedding) x = (*ngram_embedding)(tape, x, tokens.ids, tokens.length);
  x = reshape(tape, x, {tokens.batch, 1, tokens.length, config.width});
  for (auto& block : blocks) x = block(tape, x, text.lengths);
  text.states = reshape(tape, norm(tape, x), {tokens.batch, tokens.length, config.width});
  return text;
}

}  // namespace modelgrow::inline v0
