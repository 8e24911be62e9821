// SPDX-License-Identifier: MIT
// One block of an STDiT: attention over space, over time and to text, then an MLP, each behind its gate, and the layers
// that growth can add.
#pragma once
#include <cmath>
#include <optional>
#include <string_view>

#include <modelgrow/models/stdit_config.hpp>
#include <modelgrow/nn/decoupled_attention.hpp>
#include <modelgrow/nn/gated_cross_attention.hpp>
#include <modelgrow/nn/joint_attention.hpp>
#include <modelgrow/nn/mlp.hpp>
#include <modelgrow/nn/self_attention.hpp>
#include <modelgrow/nn/temporal_conv.hpp>
#include <modelgrow/ops/add_table.hpp>
#include <modelgrow/ops/gate_residual.hpp>
#include <modelgrow/ops/modulation.hpp>
#include <modelgrow/ops/norm_modulate.hpp>

namespace modelgrow::inline v0 {

/// The spaces of an STDiT. LayerNorm runs over `hidden`, so its units are copied equally often; heads follow because
/// the configuration knows only heads * head_dim == hidden.
struct StditSpaces {
  Space hidden, heads, ffn;
  std::int64_t head_dim;
  explicit StditSpaces(const StditConfig& c)
      : hidden(Space{.name = "hidden", .size = c.hidden_size}),
        heads(Space{.name = "heads", .size = c.num_heads}),
        ffn(Space{.name = "ffn", .size = c.ffn()}),
        head_dim(c.head_dim()) {}
};

/// Text as a block sees it: tokens [B,L,hidden], their number per caption and, where they stand in one softmax with
/// those of another text, their weight [1].
template <class T, Device D>
struct StditText {
  Var<T, D> tokens;
  Tensor<std::int32_t, D> lengths;
  Tensor<T, D> weight = {};
};

/// One block. Rows of scale_shift_table: shift, scale, gate of attention, then of the MLP; the temporal attention sees
/// the residual without norm and shares the attention gate, as upstream does.
template <class T, Device D>
struct StditBlock {
  Parameter<T, D> scale_shift_table;
  SelfAttention<T, D> attn, attn_temp;
  CrossAttention<T, D> cross_attn;
  Mlp<T, D> mlp;
  std::optional<TemporalConv<T, D>> conv_temp;
  std::optional<CrossAttention<T, D>> cross_attn_2;  // of the three entries of a second text, at most one is there
  std::optional<GatedCrossAttention<T, D>> gated_attn_2;
  std::optional<DecoupledAttention<T, D>> decoupled_attn_2;

  StditBlock(const StditConfig& c, const StditSpaces& s)
      : scale_shift_table(ParamInfo{.axes = {fixed(6), each(s.hidden)},
                                    .init = Init::normal(1.0 / std::sqrt(double(c.hidden_size)))}),
        attn(s.hidden, s.heads, s.head_dim),
        attn_temp(s.hidden, s.heads, s.head_dim, Init::zeros()),
        cross_attn(s.hidden, s.heads, s.head_dim),
        mlp(s.hidden, s.ffn, s.hidden, Init::xavier(), Writes::residual) {
    if (c.has_temporal_conv()) conv_temp.emplace(s.hidden, c.temporal_conv);
    if (!c.has_second_text()) return;
    using Entry = StditConfig::TextEntry;
    if (c.second_text.entry == Entry::cross_attention) cross_attn_2.emplace(s.hidden, s.heads, s.head_dim);
    if (c.second_text.entry == Entry::gated) gated_attn_2.emplace(s.hidden, s.heads, s.head_dim);
    if (c.second_text.entry == Entry::decoupled) decoupled_attn_2.emplace(s.hidden, s.heads, s.head_dim);
  }

  static void describe(auto& self, auto& v) {
    v("scale_shift_table", self.scale_shift_table);
    v.child("attn", self.attn);
    v.child("cross_attn", self.cross_attn);
    v.child("mlp", self.mlp);
    v.child("attn_temp", self.attn_temp);
    v.child("conv_temp", self.conv_temp);
    v.child("cross_attn_2", self.cross_attn_2);
    v.child("cross_attn_2", self.gated_attn_2);
    v.child("cross_attn_2", self.decoupled_attn_2);
  }

  /// x [B,T,S,C], t0 [B,6C]; temporal_table [T,C] only for the first block.
  Var<T, D> operator()(Tape<T, D>& tape, Var<T, D> x, const Var<T, D>& t0, const StditText<T, D>& text,
                       const StditText<T, D>& text_2, const Var<T, D>& temporal_table, std::string_view scope = {}) {
    constexpr Slots attention{.shift = 0, .scale = 1}, perceptron{.shift = 3, .scale = 4};
    constexpr int attention_gate = 2, mlp_gate = 5;
    const Var<T, D> m = modulation(tape, tape.use(scale_shift_table), t0);

    x = gate_residual(tape, x, attn(tape, norm_modulate(tape, x, m, attention), Along::space), m, attention_gate);
    tape.observe(scope, "attn", x);
    const Var<T, D> frames = temporal_table.defined() ? add_table(tape, x, temporal_table, Along::time) : x;
    x = gate_residual(tape, x, attn_temp(tape, frames, Along::time), m, attention_gate);
    tape.observe(scope, "attn_temp", x);
    if (conv_temp) {
      x = add(tape, x, (*conv_temp)(tape, x));
      tape.observe(scope, "conv_temp", x);
    }
    x = add(tape, x, read(tape, x, text, text_2));
    tape.observe(scope, "cross_attn", x);
    const auto read_second = [&](auto& attention) {
      x = add(tape, x, attention(tape, x, text_2.tokens, text_2.lengths));
      tape.observe(scope, "cross_attn_2", x);
    };
    if (cross_attn_2) read_second(*cross_attn_2);
    if (gated_attn_2) read_second(*gated_attn_2);
    x = gate_residual(tape, x, mlp(tape, norm_modulate(tape, x, m, perceptron)), m, mlp_gate);
    tape.observe(scope, "mlp", x);
    return x;
  }

 private:
  /// What the first cross-attention finds, in the second text too where that has entered it.
  Var<T, D> read(Tape<T, D>& tape, const Var<T, D>& x, const StditText<T, D>& text, const StditText<T, D>& text_2) {
    if (decoupled_attn_2)
      return (*decoupled_attn_2)(tape, cross_attn, x, text.tokens, text.lengths, text_2.tokens, text_2.lengths);
    if (text_2.weight.defined())
      return attend_jointly(tape, cross_attn, x, text.tokens, text.lengths, text_2.tokens, text_2.lengths,
                            text_2.weight);
    return cross_attn(tape, x, text.tokens, text.lengths);
  }
};

}  // namespace modelgrow::inline v0
