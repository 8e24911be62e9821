// SPDX-License-Identifier: MIT
// x + attn(LN(x) + position) over the frames of each place: makes a video model of an image model (AnimateDiff,
// arXiv 2307.04725; Align your Latents, 2304.08818).
#pragma once
#include <string>

#include <modelgrow/grafts/context.hpp>
#include <modelgrow/nn/self_attention.hpp>
#include <modelgrow/ops/add.hpp>
#include <modelgrow/ops/add_table.hpp>
#include <modelgrow/ops/first_channels.hpp>
#include <modelgrow/ops/layer_norm.hpp>

namespace modelgrow::inline v0::grafts {

/// A residual temporal attention in every block, closed by its last projection. Positions are learned, one for each
/// frame. x [B,T,S,C].
template <class T, class D>
struct TemporalAttention {
  static constexpr std::string_view name = "TemporalAttention", port = "temporal", module = "attn_over_time";
  static constexpr std::string_view summary =
      "a temporal attention in every block: x + attn(LN(x) + position) over frames";
  struct Options {
    std::int64_t frames = 32;
    static void describe(auto& self, auto& v) { v("frames", self.frames, "latent frames of the longest clip"); }
  };
  Parameter<T, D> position;
  SelfAttention<T, D> attention;

  /// Throws shape_error for no frames, and where the number of heads is not known.
  TemporalAttention(const Port& p, const Options& o)
      : position(ParamInfo{.axes = {fixed(positive(o.frames)), each(p.stream)}, .init = Init::normal(0.02)}),
        attention(p.stream, detail::with_heads(p).heads, p.head_dim, Init::zeros()) {}
  static void describe(auto& self, auto& v) {
    v("position", self.position);
    v.child("attention", self.attention);
  }
  /// Throws shape_error for clips that are longer than `frames`.
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x, const GraftContext<T, D>&) {
    const std::int64_t frames = x.dim(1), known = position.value.dim(0);
    if (frames > known)
      throw shape_error("[TemporalAttention] the clip has " + std::to_string(frames) +
                        " latent frames; the graft has " + std::to_string(known) +
                        " positions: graft it with frames=" + std::to_string(frames));
    const std::int64_t width = x.dim(3);
    const Var<T, D> table = reshape(
        tape, first_channels(tape, reshape(tape, tape.use(position), {1, known, width}), frames), {frames, width});
    const Var<T, D> seen = add_table(tape, layer_norm(tape, x, 1e-6), table, Along::time);
    return add(tape, x, attention(tape, seen, Along::time));
  }

 private:
  static std::int64_t positive(std::int64_t frames) {
    if (frames <= 0)
      throw shape_error("frames is " + std::to_string(frames) + "; expected the frames of the longest clip");
    return frames;
  }
};

}  // namespace modelgrow::inline v0::grafts
