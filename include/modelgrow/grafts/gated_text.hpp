// SPDX-License-Identifier: MIT
// A cross-attention to a second text encoder behind a tanh gate for each head (Lumina-T2X, Flamingo).
#pragma once
#include <modelgrow/grafts/text_embedding.hpp>
#include <modelgrow/nn/gated_cross_attention.hpp>

namespace modelgrow::inline v0::grafts {

/// x + proj(tanh(gate) * attention(x, tokens)), in every block; the gates are the one zero factor.
template <class T, class D>
struct GatedText {
  static constexpr std::string_view name = "GatedText", port = "text", module = "cross_attn_2";
  static constexpr std::string_view summary = "a second text encoder by a cross-attention with a gate for each head";
  using Options = TextOptions;
  using Shared = TextEmbedding<T, D>;
  GatedCrossAttention<T, D> attention;

  GatedText(const Port& p, const Options&) : attention(p.stream, detail::with_heads(p).heads, p.head_dim) {}
  static void describe(auto& self, auto& v) { GatedCrossAttention<T, D>::describe(self.attention, v); }
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x, const GraftContext<T, D>& c) {
    return add(tape, x, attention(tape, x, c.tokens, c.text.lengths));
  }
};

}  // namespace modelgrow::inline v0::grafts
