// SPDX-License-Identifier: MIT
// Transformer blocks over the tokens of the text that a model reads already (HunyuanVideo's token refiner).
#pragma once
#include <string>

#include <modelgrow/grafts/context.hpp>
#include <modelgrow/nn/text_refiner.hpp>

namespace modelgrow::inline v0::grafts {

/// Once for the model, behind the projection of the first text; gates that follow the time start at zero.
template <class T, class D>
struct Refiner {
  static constexpr std::string_view name = "Refiner", port = "tokens", module = "y_refiner";
  static constexpr std::string_view summary = "transformer blocks over the tokens of the first text encoder";
  struct Options {
    std::int64_t depth = 2;
    static void describe(auto& self, auto& v) { v("depth", self.depth, "blocks"); }
  };
  TextRefiner<T, D> layer;

  /// Throws shape_error for no blocks, and where the number of heads is not known.
  Refiner(const Port& p, const Options& o) {
    if (o.depth <= 0) throw shape_error("depth " + std::to_string(o.depth) + "; expected a number of blocks");
    layer = TextRefiner<T, D>(p.stream, detail::with_heads(p).heads, p.head_dim, p.ffn, o.depth);
  }
  static void describe(auto& self, auto& v) { TextRefiner<T, D>::describe(self.layer, v); }
  /// tokens [B,L,C], lengths int32 [B].
  Var<T, D> refine(Tape<T, D>& tape, const Var<T, D>& tokens, const Tensor<std::int32_t, D>& lengths,
                   const GraftContext<T, D>& c) {
    return layer(tape, tokens, c.time, lengths);
  }
};

}  // namespace modelgrow::inline v0::grafts
