// SPDX-License-Identifier: MIT
// STDiT, the space-time diffusion transformer of Open-Sora 1.0: spatial attention, temporal attention, cross-attention
// to text and an MLP in one block, modulated by adaLN-single. State-dict names equal upstream's.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/autograd/recompute.hpp>
#include <modelgrow/models/stdit_schema.hpp>
#include <modelgrow/nn/caption_embedder.hpp>
#include <modelgrow/nn/cross_attention.hpp>
#include <modelgrow/nn/initialise.hpp>
#include <modelgrow/nn/patch_embed.hpp>
#include <modelgrow/nn/position.hpp>
#include <modelgrow/nn/self_attention.hpp>
#include <modelgrow/nn/timestep.hpp>
#include <modelgrow/ops/add.hpp>
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
  Mlp<T, D> mlp;
  std::optional<TemporalConv<T, D>> conv_temp;
  std::optional<CrossAttention<T, D>> cross_attn_2;

  StditBlock(const StditConfig& c, const StditSpaces& s)
      : scale_shift_table(ParamInfo{.axes = {fixed(6), each(s.hidden)},
                                    .init = Init::normal(1.0 / std::sqrt(double(c.hidden_size)))}),
        attn(s.hidden, s.heads, s.head_dim),
        attn_temp(s.hidden, s.heads, s.head_dim, Init::zeros()),
        cross_attn(s.hidden, s.heads, s.head_dim),
        mlp(s.hidden, s.ffn, s.hidden, Init::xavier(), Writes::residual) {
    if (c.has_temporal_conv()) conv_temp.emplace(s.hidden, c.temporal_conv);
    if (c.has_second_text()) cross_attn_2.emplace(s.hidden, s.heads, s.head_dim);
  }

  static void describe(auto& self, auto& v) {
    v("scale_shift_table", self.scale_shift_table);
    v.child("attn", self.attn);
    v.child("cross_attn", self.cross_attn);
    v.child("mlp", self.mlp);
    v.child("attn_temp", self.attn_temp);
    v.child("conv_temp", self.conv_temp);
    v.child("cross_attn_2", self.cross_attn_2);
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
    x = add(tape, x, cross_attn(tape, x, text.tokens, text.lengths));
    tape.observe(scope, "cross_attn", x);
    if (cross_attn_2) {
      x = add(tape, x, (*cross_attn_2)(tape, x, text_2.tokens, text_2.lengths));
      tape.observe(scope, "cross_attn_2", x);
    }
    x = gate_residual(tape, x, mlp(tape, norm_modulate(tape, x, m, perceptron)), m, mlp_gate);
    tape.observe(scope, "mlp", x);
    return x;
  }
};

/// The last layer: adaLN with shift and scale from the time embedding itself, then a linear map to patches.
template <class T, Device D>
struct StditFinalLayer {
  Parameter<T, D> scale_shift_table;
  Linear<T, D> linear;

  StditFinalLayer() = default;
  StditFinalLayer(const StditConfig& c, const StditSpaces& s)
      : scale_shift_table(ParamInfo{.axes = {fixed(2), each(s.hidden)},
                                    .init = Init::normal(1.0 / std::sqrt(double(c.hidden_size)))}),
        linear(c.patch_size[0] * c.patch_size[1] * c.patch_size[2] * c.out_channels(), s.hidden, Init::zeros()) {}

  static void describe(auto& self, auto& v) {
    v("scale_shift_table", self.scale_shift_table);
    v.child("linear", self.linear);
  }
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& t) {
    const Var<T, D> m = modulation(tape, tape.use(scale_shift_table), t);
    return linear(tape, norm_modulate(tape, x, m, Slots{.shift = 0, .scale = 1}));
  }
};

/// The model. `forward` predicts [B, out_channels, T, H, W] from a noisy clip, its time (0..1000) and text states.
template <class T, Device D>
struct Stdit {
  static constexpr std::string_view family = "stdit";
  using Config = StditConfig;

  Config config;
  Parameter<T, D> pos_embed, pos_embed_temporal;
  PatchEmbed3D<T, D> x_embedder;
  TimestepEmbedder<T, D> t_embedder;
  Linear<T, D> t_block;
  CaptionEmbedder<T, D> y_embedder;
  std::optional<CaptionEmbedder<T, D>> y_embedder_2;
  std::vector<StditBlock<T, D>> blocks;
  StditFinalLayer<T, D> final_layer;
  Activations activations = Activations::keep;

  /// Uninitialised weights (see initialise() and load()); position tables are filled. Throws shape_error.
  explicit Stdit(const Config& c) : config(c) {
    c.validate();
    const StditSpaces s(c);
    pos_embed = table({fixed(1), fixed(c.num_spatial()), each(s.hidden)});
    pos_embed_temporal = table({fixed(1), fixed(c.num_temporal()), each(s.hidden)});
    assign(pos_embed.value, sincos_2d(c.hidden_size, c.grid()[1], c.grid()[2], c.space_scale));
    std::vector<double> frames;
    for (std::int64_t t = 0; t < c.num_temporal(); ++t) frames.push_back(double(t) / c.time_scale);
    assign(pos_embed_temporal.value, sincos_1d(c.hidden_size, frames));
    x_embedder = PatchEmbed3D<T, D>(s.hidden, c.in_channels, c.patch());
    t_embedder = TimestepEmbedder<T, D>(s.hidden);
    t_block = Linear<T, D>(6 * Extent(s.hidden), s.hidden, Init::normal(0.02));
    y_embedder = CaptionEmbedder<T, D>(s.hidden, c.caption_channels, c.model_max_length);
    if (c.has_second_text())
      y_embedder_2.emplace(s.hidden, c.second_text.caption_channels, c.second_text.model_max_length);
    for (std::int64_t i = 0; i < c.depth; ++i) blocks.emplace_back(c, s);
    final_layer = StditFinalLayer<T, D>(c, s);
  }

  /// What growth asks: the layers that could be added, and the keys of config.json that a grown schema changes.
  static std::vector<SchemaOption> options(const Stdit& model) {
    return stdit_options(model.config, [](const StditConfig& c) { return schema(Stdit<T, Meta>(c)); });
  }
  static auto config_patch(const Stdit& model) {
    return [base = model.config](const Schema& grown) {
      return detail::config_changes(config_text(base), config_text(grown_config(base, grown)));
    };
  }
  /// An STDiT of the sizes of a grown schema, weights not filled; growth of live models calls it.
  friend Stdit rebuild(const Stdit& old, const Schema& s) {
    Stdit grown(grown_config(old.config, s));
    grown.activations = old.activations;
    return grown;
  }

  static void describe(auto& self, auto& v) {
    const StditSpaces s(self.config);
    v.space(s.hidden, SpaceRules{.copies = Copies::uniform, .because = "LayerNorm runs over it", .tied_to = "heads"});
    v.space(s.heads,
            SpaceRules{.copies = Copies::uniform, .because = "heads * head_dim == hidden", .tied_to = "hidden"});
    v.space(s.ffn, SpaceRules{});
    v("pos_embed", self.pos_embed);
    v("pos_embed_temporal", self.pos_embed_temporal);
    v.child("x_embedder", self.x_embedder);
    v.child("t_embedder", self.t_embedder);
    v.child("t_block.1", self.t_block);
    v.child("y_embedder", self.y_embedder);
    v.child("y_embedder_2", self.y_embedder_2);
    v.stack("blocks", self.blocks,
            StackRules{.first_insertion = 1, .because = "the temporal position table enters block 0 only"});
    v.child("final_layer", self.final_layer);
  }

  /// x [B,C,T,H,W], t [B], text for the first and (if the model has one) the second cross-attention.
  Var<T, D> forward(Tape<T, D>& tape, const Var<T, D>& x, const Tensor<Stat<T>, D>& t, const TextStates<T, D>& text,
                    const TextStates<T, D>& text_2 = {}) {
    check(x.shape(), text_2);
    const std::int64_t width = config.hidden_size;
    Var<T, D> h = x_embedder(tape, x);
    h = add_table(tape, h, reshape(tape, tape.use(pos_embed), {config.num_spatial(), width}), Along::space);
    tape.observe({}, "x_embedder", h);
    const Var<T, D> time = t_embedder(tape, t), t0 = t_block(tape, silu(tape, time));
    tape.observe({}, "t_block", t0);
    const StditText<T, D> y{y_embedder(tape, text), text.lengths};
    tape.observe({}, "y_embedder", y.tokens);
    StditText<T, D> y_2;
    if (y_embedder_2) y_2 = {(*y_embedder_2)(tape, text_2), text_2.lengths};
    const Var<T, D> frames = reshape(tape, tape.use(pos_embed_temporal), {config.num_temporal(), width});

    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const Var<T, D> table = i == 0 ? frames : Var<T, D>{};
      h = run_block(tape, blocks[i], h, t0, y, y_2, table, "blocks." + std::to_string(i) + ".");
    }
    h = final_layer(tape, h, time);
    tape.observe({}, "final_layer", h);
    return unpatchify(tape, h, {x.dim(0), config.out_channels(), x.dim(2), x.dim(3), x.dim(4)}, config.patch(),
                      PatchOrder::channels_last);
  }

 private:
  static Parameter<T, D> table(Axes axes) {
    return Parameter<T, D>(ParamInfo{.axes = std::move(axes), .purpose = Purpose::buffer});
  }
  Var<T, D> run_block(Tape<T, D>& tape, StditBlock<T, D>& block, const Var<T, D>& x, const Var<T, D>& t0,
                      const StditText<T, D>& y, const StditText<T, D>& y_2, const Var<T, D>& table,
                      const std::string& scope) {
    if (activations == Activations::keep || !tape.records()) return block(tape, x, t0, y, y_2, table, scope);
    std::vector<Var<T, D>> inputs{x, t0, y.tokens};
    if (y_2.tokens.defined()) inputs.push_back(y_2.tokens);
    return recompute(tape, std::move(inputs), [&tape, &block, y, y_2, table](const std::vector<Var<T, D>>& v) {
      StditText<T, D> second = y_2;
      if (v.size() == 4) second.tokens = v[3];
      return block(tape, v[0], v[1], StditText<T, D>{v[2], y.lengths}, second, table);
    });
  }
  void check(const Shape& x, const TextStates<T, D>& text_2) const {
    const auto& s = config.input_size;
    if (x.rank() != 5 || x[1] != config.in_channels || x[2] != s[0] || x[3] != s[1] || x[4] != s[2])
      throw shape_error("[STDiT] input has shape " + to_string(x) + "; the model takes [batch, " +
                        std::to_string(config.in_channels) + ", " + std::to_string(s[0]) + ", " + std::to_string(s[1]) +
                        ", " + std::to_string(s[2]) + "]");
    if (config.has_second_text() && !text_2.states.defined())
      throw shape_error("[STDiT] the model has a second cross-attention; pass the second encoder's text states too");
  }
};

}  // namespace modelgrow::inline v0
