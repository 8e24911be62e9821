// SPDX-License-Identifier: MIT
// Multi-head cross-attention from video tokens to text tokens; names of Open-Sora's MultiHeadCrossAttention.
#pragma once
#include <modelgrow/nn/linear.hpp>
#include <modelgrow/ops/attention.hpp>
#include <modelgrow/ops/reshape.hpp>

namespace modelgrow::inline v0 {

/// Rows of kv_linear are [k; v], each head-major. Padding tokens of the text take no part.
template <class T, Device D>
struct CrossAttention {
  Linear<T, D> q_linear, kv_linear, proj;
  std::int64_t heads = 0;

  CrossAttention() = default;
  CrossAttention(const Extent& hidden, const Space& heads_, std::int64_t head_dim, Init last = Init::zeros(),
                 Writes writes = Writes::residual)
      : q_linear(Extent(heads_) * head_dim, hidden),
        kv_linear(2 * Extent(heads_) * head_dim, hidden),
        proj(hidden, Extent(heads_) * head_dim, last, writes),
        heads(heads_.size) {}

  static void describe(auto& self, auto& v) {
    v.child("q_linear", self.q_linear);
    v.child("kv_linear", self.kv_linear);
    v.child("proj", self.proj);
  }
  /// Queries [B,N,heads*head_dim] of x [B,..,C].
  Var<T, D> queries(Tape<T, D>& tape, const Var<T, D>& x) {
    return reshape(tape, q_linear(tape, x),
                   {x.dim(0), x.value().size() / (x.dim(0) * x.dim(-1)), q_linear.weight.value.dim(0)});
  }
  /// What queries find in text [B,L,C], lengths int32 [B], before the last projection.
  Var<T, D> attend(Tape<T, D>& tape, const Var<T, D>& q, const Var<T, D>& text,
                   const Tensor<std::int32_t, D>& lengths) {
    return cross_attention(tape, q, kv_linear(tape, text), heads, lengths);
  }
  /// x [B,..,C], text [B,L,C], lengths int32 [B] -> [B,..,C].
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& text,
                       const Tensor<std::int32_t, D>& lengths) {
    return reshape(tape, proj(tape, attend(tape, queries(tape, x), text, lengths)), x.shape());
  }
};

}  // namespace modelgrow::inline v0
