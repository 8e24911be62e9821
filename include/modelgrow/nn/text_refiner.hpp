// SPDX-License-Identifier: MIT
// Transformer blocks over text tokens behind their projection (HunyuanVideo's token refiner): captions are read once
// more, both ways, with an eye on the time.
#pragma once
#include <vector>

#include <modelgrow/nn/layer_norm.hpp>
#include <modelgrow/nn/mlp.hpp>
#include <modelgrow/nn/self_attention.hpp>
#include <modelgrow/ops/add.hpp>
#include <modelgrow/ops/gate_residual.hpp>
#include <modelgrow/ops/masked_mean.hpp>

namespace modelgrow::inline v0 {

/// x + gate * attn(norm1(x)), then x + gate * mlp(norm2(x)); both gates are linear in what conditions the block, and
/// that map starts at zero.
template <class T, Device D>
struct TextRefinerBlock {
  LayerNorm<T, D> norm1, norm2;
  SelfAttention<T, D> attn;
  Mlp<T, D> mlp;
  Linear<T, D> gates;

  TextRefinerBlock(const Extent& hidden, const Space& heads, std::int64_t head_dim, const Extent& ffn)
      : norm1(hidden, 1e-6),
        norm2(hidden, 1e-6),
        attn(hidden, heads, head_dim, Init::xavier(), Writes::branch),
        mlp(hidden, ffn, hidden),
        gates(2 * hidden, hidden, Init::zeros(), Writes::residual) {}

  static void describe(auto& self, auto& v) {
    v.child("norm1", self.norm1);
    v.child("self_attn", self.attn);
    v.child("norm2", self.norm2);
    v.child("mlp", self.mlp);
    v.child("adaLN_modulation.1", self.gates);
  }
  /// x [B,1,L,C], condition [B,C] behind its activation, lengths int32 [B] -> [B,1,L,C].
  Var<T, D> operator()(Tape<T, D>& tape, Var<T, D> x, const Var<T, D>& condition,
                       const Tensor<std::int32_t, D>& lengths) {
    const Var<T, D> m = reshape(tape, gates(tape, condition), {x.dim(0), 2, x.dim(3)});
    x = gate_residual(tape, x, attn(tape, norm1(tape, x), Along::space, lengths), m, 0);
    return gate_residual(tape, x, mlp(tape, norm2(tape, x)), m, 1);
  }
};

/// The blocks, conditioned by the time embedding and by the mean of the caption.
template <class T, Device D>
struct TextRefiner {
  Linear<T, D> first, second;
  std::vector<TextRefinerBlock<T, D>> blocks;

  static constexpr std::int64_t most_blocks = 1024;  // more than any model has: a slip in a number

  TextRefiner() = default;
  /// Throws shape_error for more than most_blocks.
  TextRefiner(const Extent& hidden, const Space& heads, std::int64_t head_dim, const Extent& ffn, std::int64_t depth)
      : first(hidden, hidden), second(hidden, hidden) {
    if (depth > most_blocks)
      throw shape_error("a refiner of " + std::to_string(depth) + " blocks; expected at most " +
                        std::to_string(most_blocks));
    for (std::int64_t i = 0; i < depth; ++i) blocks.emplace_back(hidden, heads, head_dim, ffn);
  }

  static void describe(auto& self, auto& v) {
    v.child("c_embedder.linear_1", self.first);
    v.child("c_embedder.linear_2", self.second);
    for (std::size_t i = 0; i < self.blocks.size(); ++i) v.child("blocks." + std::to_string(i), self.blocks[i]);
  }
  /// Tokens [B,L,C], time embedding [B,C], lengths int32 [B] -> [B,L,C].
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& tokens, const Var<T, D>& time,
                       const Tensor<std::int32_t, D>& lengths) {
    const Var<T, D> mean = second(tape, silu(tape, first(tape, masked_mean(tape, tokens, lengths))));
    const Var<T, D> condition = silu(tape, add(tape, time, mean));
    Var<T, D> x = reshape(tape, tokens, {tokens.dim(0), 1, tokens.dim(1), tokens.dim(2)});
    for (auto& block : blocks) x = block(tape, x, condition, lengths);
    return reshape(tape, x, tokens.shape());
  }
};

}  // namespace modelgrow::inline v0
