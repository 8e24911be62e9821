// SPDX-License-Identifier: MIT
// The mean of the caption's tokens beside the time embedding (Lumina's cap_embedder), of the text that a model reads
// already: through modulation every block hears it at once, where cross-attention has to learn to look first.
#pragma once
#include <modelgrow/grafts/context.hpp>
#include <modelgrow/nn/layer_norm.hpp>
#include <modelgrow/nn/linear.hpp>
#include <modelgrow/ops/add.hpp>
#include <modelgrow/ops/masked_mean.hpp>

namespace modelgrow::inline v0::grafts {

/// time + proj(LN(mean of the embedded tokens)), once for the model; proj starts at zero.
template <class T, class D>
struct PooledCaption {
  static constexpr std::string_view name = "PooledCaption", port = "time", module = "caption_pooler";
  static constexpr std::string_view summary = "the mean of the first text encoder's tokens beside the time embedding";
  struct Options {
    static void describe(auto&, auto&) {}
  };
  LayerNorm<T, D> norm;
  Linear<T, D> proj;

  PooledCaption(const Port& p, const Options&)
      : norm(p.stream), proj(p.stream, p.stream, Init::zeros(), Writes::residual) {}
  static void describe(auto& self, auto& v) {
    v.child("norm", self.norm);
    v.child("proj", self.proj);
  }
  /// time [B,C]. Throws shape_error when the model does not give its caption to the port.
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& time, const GraftContext<T, D>& c) {
    if (!c.caption.states.defined())
      throw shape_error("[PooledCaption] the model gives no caption to its port 'time': fill in GraftContext::caption");
    return add(tape, time, proj(tape, norm(tape, masked_mean(tape, c.caption.states, c.caption.lengths))));
  }
};

}  // namespace modelgrow::inline v0::grafts
