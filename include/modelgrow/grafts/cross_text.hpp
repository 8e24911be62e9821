// SPDX-License-Identifier: MIT
// A cross-attention to a second text encoder behind the first (ModelGrow, arXiv 2412.18966), closed by its projection.
#pragma once
#include <modelgrow/grafts/text_embedding.hpp>
#include <modelgrow/nn/cross_attention.hpp>
#include <modelgrow/ops/add.hpp>

namespace modelgrow::inline v0::grafts {

/// x + cross_attn_2(x, tokens), in every block.
template <class T, class D>
struct CrossText {
  static constexpr std::string_view name = "CrossText", port = "text", module = "cross_attn_2";
  static constexpr std::string_view summary = "a second text encoder by a cross-attention of its own (ModelGrow)";
  using Options = TextOptions;
  using Shared = TextEmbedding<T, D>;
  CrossAttention<T, D> attention;

  CrossText(const Port& p, const Options&) : attention(p.stream, detail::with_heads(p).heads, p.head_dim) {}
  static void describe(auto& self, auto& v) { CrossAttention<T, D>::describe(self.attention, v); }
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x, const GraftContext<T, D>& c) {
    return add(tape, x, attention(tape, x, c.tokens, c.text.lengths));
  }
};

}  // namespace modelgrow::inline v0::grafts
