// SPDX-License-Identifier: MIT
// One block of an STDiT: attention over space, over time and to text, then an MLP, each behind its gate, with a port
// behind the temporal attention and one at the text.
#pragma once
#include <cmath>
#include <string_view>
#include <tuple>

#include <modelgrow/grafts/all.hpp>
#include <modelgrow/grafts/feed_forward.hpp>
#include <modelgrow/models/stdit_config.hpp>
#include <modelgrow/nn/self_attention.hpp>
#include <modelgrow/ops/add_table.hpp>
#include <modelgrow/ops/residual_norm.hpp>

namespace modelgrow::inline v0 {

/// The spaces of an STDiT. LayerNorm runs over `hidden`, so its units are copied equally often; heads follow because
/// the configuration knows only heads * head_dim == hidden.
struct StditSpaces {
  Space hidden, heads, ffn, in_channels, frames, height, width;
  std::int64_t head_dim;
  explicit StditSpaces(const StditConfig& c)
      : hidden(Space{.name = "hidden", .size = c.hidden_size}),
        heads(Space{.name = "heads", .size = c.num_heads}),
        ffn(Space{.name = "ffn", .size = c.ffn()}),
        in_channels(Space{.name = "in_channels", .size = c.in_channels}),
        frames(Space{.name = "frames", .size = c.grid()[0]}),
        height(Space{.name = "height", .size = c.grid()[1]}),
        width(Space{.name = "width", .size = c.grid()[2]}),
        head_dim(c.head_dim()) {}
  Port port(std::string_view name) const {
    return {.name = std::string(name), .stream = hidden, .heads = heads, .head_dim = head_dim, .ffn = ffn};
  }
};

/// Text as a block sees it: tokens [B,L,hidden] and their number per caption.
template <class T, Device D>
struct StditText {
  Var<T, D> tokens;
  Tensor<std::int32_t, D> lengths;
};

/// One block. Rows of scale_shift_table: shift, scale, gate of attention, then of the MLP; the temporal attention sees
/// the residual without norm and shares the attention gate, as upstream does.
template <class T, Device D>
struct StditBlock {
  Parameter<T, D> scale_shift_table;
  SelfAttention<T, D> attn, attn_temp;
  CrossAttention<T, D> cross_attn;
  FeedForward<T, D> mlp;
  AnyGraftsAt<T, D> temporal, text;

  StditBlock(const StditConfig& c, const StditSpaces& s)
      : scale_shift_table(ParamInfo{.axes = {fixed(slots), each(s.hidden)},
                                    .init = Init::normal(1.0 / std::sqrt(double(c.hidden_size)))}),
        attn(s.hidden, s.heads, s.head_dim),
        attn_temp(s.hidden, s.heads, s.head_dim, Init::zeros()),
        cross_attn(s.hidden, s.heads, s.head_dim),
        mlp(s.hidden, s.ffn, c.grafts),
        temporal(s.port("temporal"), c.grafts),
        text(s.port("text"), c.grafts) {}

  static void describe(auto& self, auto& v) {
    v("scale_shift_table", self.scale_shift_table);
    v.child("attn", self.attn);
    v.child("cross_attn", self.cross_attn);
    v.child("mlp", self.mlp);
    v.child("attn_temp", self.attn_temp);
    AnyGraftsAt<T, D>::describe(self.temporal, v);
    AnyGraftsAt<T, D>::describe(self.text, v);
  }

  static constexpr int slots = 6;  // of scale_shift_table

  /// x [B,T,S,C]; m [B,..,C] are the modulation vectors of all blocks, those of this one from `first` on;
  /// temporal_table [T,C] only for the first block.
  Var<T, D> operator()(Tape<T, D>& tape, Var<T, D> x, const Var<T, D>& m, int first, const StditText<T, D>& y,
                       const GraftContext<T, D>& context, const Var<T, D>& temporal_table, std::string_view scope = {},
                       Value result = Value::read) {
    const Slots attention{.shift = first, .scale = first + 1}, perceptron{.shift = first + 3, .scale = first + 4};
    const int attention_gate = first + 2, mlp_gate = first + 5;

    x = gate_residual(tape, x, attn(tape, norm_modulate(tape, x, m, attention), Along::space), m, attention_gate);
    tape.observe(scope, "attn", x);
    const Var<T, D> frames = temporal_table.defined() ? add_table(tape, x, temporal_table, Along::time) : x;
    x = gate_residual(tape, x, attn_temp(tape, frames, Along::time), m, attention_gate);
    tape.observe(scope, "attn_temp", x);
    x = temporal(tape, x, context, scope);
    const Var<T, D> found = text.around(tape, cross_attn, x, y.tokens, y.lengths, context);
    Var<T, D> normed;
    if (text.act()) {
      x = add(tape, x, found);
      tape.observe(scope, "cross_attn", x);
      x = text(tape, x, context, scope);
      normed = norm_modulate(tape, x, m, perceptron);
    } else {
      std::tie(x, normed) = residual_norm_modulate(tape, x, found, m, std::nullopt, perceptron);
      tape.observe(scope, "cross_attn", x);
    }
    x = gate_residual(tape, x, mlp(tape, normed, context.balance), m, mlp_gate, result);
    if (result == Value::read) tape.observe(scope, "mlp", x);
    return x;
  }
};

}  // namespace modelgrow::inline v0
