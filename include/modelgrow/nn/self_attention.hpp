// SPDX-License-Identifier: MIT
// Multi-head self-attention with a fused qkv projection, over the tokens of a frame or over the frames of a token.
#pragma once
#include <modelgrow/nn/linear.hpp>
#include <modelgrow/ops/attention.hpp>

namespace modelgrow::inline v0 {

/// Rows of qkv are [q; k; v], each head-major (`3 * heads * head_dim`), as in Open-Sora's Attention.
template <class T, Device D>
struct SelfAttention {
  Linear<T, D> qkv, proj;
  std::int64_t heads = 0;

  SelfAttention() = default;
  SelfAttention(const Extent& hidden, const Space& heads_, std::int64_t head_dim, Init last = Init::xavier(),
                Writes writes = Writes::residual)
      : qkv(3 * Extent(heads_) * head_dim, hidden),
        proj(hidden, Extent(heads_) * head_dim, last, writes),
        heads(heads_.size) {}

  static void describe(auto& self, auto& v) {
    v.child("qkv", self.qkv);
    v.child("proj", self.proj);
  }
  /// x [B,T,S,C] -> [B,T,S,C]; lengths (int32 [B], optional) is the number of valid tokens along the attended axis.
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x, Along along, const Tensor<std::int32_t, D>& lengths = {}) {
    return proj(tape, self_attention(tape, qkv(tape, x), heads, along, lengths));
  }
};

}  // namespace modelgrow::inline v0
