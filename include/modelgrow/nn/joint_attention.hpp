// SPDX-License-Identifier: MIT
// Tokens of a second text beside those of the first, in one cross-attention: concatenation whose new tokens begin with
// a logit bias of minus infinity, which a schedule then raises to 0.
#pragma once
#include <modelgrow/nn/cross_attention.hpp>
#include <modelgrow/ops/joint_attention.hpp>

namespace modelgrow::inline v0 {

/// The weight exp(bias) of the new tokens, one for the model: 0 where they are not seen, 1 where they count as those of
/// the first text. It is stored with the model, so that nobody samples with
/// another bias than the last one trained with, and the optimizer leaves it alone.
template <class T, Device D>
struct TokenWeight {
  Parameter<T, D> weight{ParamInfo{.axes = {fixed(1)}, .init = Init::zeros(), .purpose = Purpose::scheduled}};

  static void describe(auto& self, auto& v) { v("weight", self.weight); }
};

/// first.proj(attention to the tokens of both texts), all through the keys and values of `first`; x [B,..,C] ->
/// [B,..,C].
template <class T, Device D>
Var<T, D> attend_jointly(Tape<T, D>& tape, CrossAttention<T, D>& first, const Var<T, D>& x, const Var<T, D>& text,
                         const Tensor<std::int32_t, D>& lengths, const Var<T, D>& text_2,
                         const Tensor<std::int32_t, D>& lengths_2, const Tensor<T, D>& weight) {
  const Var<T, D> found = joint_attention(tape, first.queries(tape, x), first.kv_linear(tape, text),
                                          first.kv_linear(tape, text_2), weight, first.heads, lengths, lengths_2);
  return reshape(tape, first.proj(tape, found), x.shape());
}

}  // namespace modelgrow::inline v0
