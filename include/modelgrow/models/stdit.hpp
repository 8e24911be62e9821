// SPDX-License-Identifier: MIT
// STDiT, the space-time diffusion transformer of Open-Sora 1.0: spatial attention, temporal attention, cross-attention
// to text and an MLP in one block, modulated by adaLN-single. State-dict names equal upstream's.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/autograd/recompute.hpp>
#include <modelgrow/models/stdit_block.hpp>
#include <modelgrow/models/stdit_schema.hpp>
#include <modelgrow/nn/caption_embedder.hpp>
#include <modelgrow/nn/initialise.hpp>
#include <modelgrow/nn/patch_embed.hpp>
#include <modelgrow/nn/pooled_text.hpp>
#include <modelgrow/nn/position.hpp>
#include <modelgrow/nn/text_refiner.hpp>
#include <modelgrow/nn/timestep.hpp>

namespace modelgrow::inline v0 {

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
  std::optional<TokenWeight<T, D>> y_weight_2;
  std::optional<TextRefiner<T, D>> y_refiner, y_refiner_2;
  std::optional<PooledText<T, D>> y_pooler;
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
    if (c.has_second_text() && c.second_text.entry == Config::TextEntry::concatenated) y_weight_2.emplace();
    if (c.text_refiner > 0) y_refiner.emplace(s.hidden, s.heads, s.head_dim, s.ffn, c.text_refiner);
    if (c.second_text.refiner > 0) y_refiner_2.emplace(s.hidden, s.heads, s.head_dim, s.ffn, c.second_text.refiner);
    if (c.has_pooled_text()) y_pooler.emplace(s.hidden, c.pooled_channels);
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

  /// Raises the logit bias of a second text whose tokens stand beside those of the first (LogitAnneal). Throws
  /// shape_error when there is none.
  void set_text_bias(double bias) {
    if (!y_weight_2)
      throw shape_error(
          "[STDiT] no second text enters by concatenation, so there is no logit bias to set; graft one "
          "with TextDesign::concatenated");
    y_weight_2->set_bias(bias);
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
    v.child("y_refiner", self.y_refiner);
    v.child("y_embedder_2", self.y_embedder_2);
    v.child("y_refiner_2", self.y_refiner_2);
    v.child("y_weight_2", self.y_weight_2);
    v.child("y_pooler", self.y_pooler);
    v.stack("blocks", self.blocks,
            StackRules{.first_insertion = 1,
                       .because = "the temporal position table enters block 0 only",
                       .streams = std::vector<std::string>(1, "hidden")});
    v.child("final_layer", self.final_layer);
  }

  /// x [B,C,T,H,W], t [B], the states of the first text encoder and (if the model takes them) of the second.
  Var<T, D> forward(Tape<T, D>& tape, const Var<T, D>& x, const Tensor<Stat<T>, D>& t, const TextStates<T, D>& text,
                    const TextStates<T, D>& text_2 = {}) {
    check(x.shape(), text_2);
    const std::int64_t width = config.hidden_size;
    Var<T, D> h = x_embedder(tape, x);
    h = add_table(tape, h, reshape(tape, tape.use(pos_embed), {config.num_spatial(), width}), Along::space);
    tape.observe({}, "x_embedder", h);
    Var<T, D> time = t_embedder(tape, t);
    if (y_pooler) time = add(tape, time, (*y_pooler)(tape, text_2));
    const Var<T, D> t0 = t_block(tape, silu(tape, time));
    tape.observe({}, "t_block", t0);
    StditText<T, D> y{y_embedder(tape, text), text.lengths}, y_2;
    if (y_refiner) y.tokens = (*y_refiner)(tape, y.tokens, time, y.lengths);
    tape.observe({}, "y_embedder", y.tokens);
    if (y_embedder_2) y_2 = {(*y_embedder_2)(tape, text_2), text_2.lengths};
    if (y_refiner_2) y_2.tokens = (*y_refiner_2)(tape, y_2.tokens, time, y_2.lengths);
    if (y_weight_2) y_2.weight = y_weight_2->weight.value;
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
    if (config.takes_second_text() && !text_2.states.defined())
      throw shape_error("[STDiT] the model reads a second text encoder; pass its text states too");
  }
};

}  // namespace modelgrow::inline v0
