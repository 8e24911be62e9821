// SPDX-License-Identifier: MIT
// The mean of a second text encoder's states beside the time embedding (Lumina, vector_in of Flux and HunyuanVideo).
#pragma once
#include <string>

#include <modelgrow/grafts/context.hpp>
#include <modelgrow/nn/pooled_text.hpp>
#include <modelgrow/ops/add.hpp>

namespace modelgrow::inline v0::grafts {

/// time + proj(LN(mean of the tokens)), once for the model; proj starts at zero.
template <class T, class D>
struct PooledText {
  static constexpr std::string_view name = "PooledText", port = "time", module = "y_pooler";
  static constexpr std::string_view summary = "the mean of a second text encoder's states beside the time embedding";
  struct Options {
    std::int64_t width = 0;
    std::string prompt = {};
    static void describe(auto& self, auto& v) {
      v("width", self.width, "of the encoder's hidden states");
      v("prompt", self.prompt, "JSON that says how the encoder is fed; travels with the weights");
    }
  };
  v0::PooledText<T, D> layer;

  /// Throws shape_error for a width that makes no sense.
  PooledText(const Port& p, const Options& o) {
    if (o.width <= 0)
      throw shape_error("width " + std::to_string(o.width) + "; expected the width of the encoder's states");
    layer = v0::PooledText<T, D>(p.stream, o.width);
  }
  static void describe(auto& self, auto& v) { v0::PooledText<T, D>::describe(self.layer, v); }
  /// time [B,C].
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& time, const GraftContext<T, D>& c) {
    return add(tape, time, layer(tape, c.text));
  }
};

}  // namespace modelgrow::inline v0::grafts
