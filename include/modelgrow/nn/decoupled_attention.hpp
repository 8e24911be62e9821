// SPDX-License-Identifier: MIT
// Keys and values of a second text inside an existing cross-attention (IP-Adapter, Wan's image branch): both are asked
// with the same queries, and the sum goes through the projection that is there.
#pragma once
#include <modelgrow/nn/cross_attention.hpp>
#include <modelgrow/ops/add.hpp>

namespace modelgrow::inline v0 {

/// The second keys and values; the values start at zero and close the branch.
template <class T, Device D>
struct DecoupledAttention {
  Linear<T, D> k_linear, v_linear;

  DecoupledAttention() = default;
  DecoupledAttention(const Extent& hidden, const Space& heads, std::int64_t head_dim)
      : k_linear(Extent(heads) * head_dim, hidden),
        v_linear(Extent(heads) * head_dim, hidden, Init::zeros(), Writes::residual) {}

  static void describe(auto& self, auto& v) {
    v.child("k_linear", self.k_linear);
    v.child("v_linear", self.v_linear);
  }
  /// first.proj(attention to `text` + attention to `text_2`), x [B,..,C] -> [B,..,C].
  Var<T, D> operator()(Tape<T, D>& tape, CrossAttention<T, D>& first, const Var<T, D>& x, const Var<T, D>& text,
                       const Tensor<std::int32_t, D>& lengths, const Var<T, D>& text_2,
                       const Tensor<std::int32_t, D>& lengths_2) {
    const Var<T, D> q = first.queries(tape, x), k = k_linear(tape, text_2), v = v_linear(tape, text_2);
    const Var<T, D> found =
        add(tape, first.attend(tape, q, text, lengths), cross_attention(tape, q, k, v, first.heads, lengths_2));
    return reshape(tape, first.proj(tape, found), x.shape());
  }
};

}  // namespace modelgrow::inline v0
