// SPDX-License-Identifier: MIT
// Keys and values of a second text encoder inside the attention to the first (IP-Adapter, Wan's image branch).
#pragma once
#include <modelgrow/grafts/text_embedding.hpp>
#include <modelgrow/nn/decoupled_attention.hpp>

namespace modelgrow::inline v0::grafts {

/// proj(attention(x, text) + attention(x, tokens)), in every block; the new values start at zero.
template <class T, class D>
struct DecoupledText {
  static constexpr std::string_view name = "DecoupledText", port = "text", module = "cross_attn_2";
  static constexpr std::string_view summary = "a second text encoder by keys and values inside the first attention";
  using Options = TextOptions;
  using Shared = TextEmbedding<T, D>;
  DecoupledAttention<T, D> attention;

  DecoupledText(const Port& p, const Options&) : attention(p.stream, detail::with_heads(p).heads, p.head_dim) {}
  static void describe(auto& self, auto& v) { DecoupledAttention<T, D>::describe(self.attention, v); }
  Var<T, D> around(Tape<T, D>& tape, CrossAttention<T, D>& first, const Var<T, D>& x, const Var<T, D>& text,
                   const Tensor<std::int32_t, D>& lengths, const GraftContext<T, D>& c) {
    return attention(tape, first, x, text, lengths, c.tokens, c.text.lengths);
  }
};

}  // namespace modelgrow::inline v0::grafts
