// SPDX-License-Identifier: MIT
// STDiT, the space-time diffusion transformer of Open-Sora 1.0: spatial attention, temporal attention, cross-attention
// to text and an MLP in one block, modulated by adaLN-single. State-dict names equal upstream's.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/autograd/recompute.hpp>
#include <modelgrow/models/block_mask.hpp>
#include <modelgrow/models/config_changes.hpp>
#include <modelgrow/models/stdit_block.hpp>
#include <modelgrow/models/stdit_schema.hpp>
#include <modelgrow/nn/caption_embedder.hpp>
#include <modelgrow/nn/initialise.hpp>
#include <modelgrow/nn/patch_embed.hpp>
#include <modelgrow/nn/position.hpp>
#include <modelgrow/nn/timestep.hpp>
#include <modelgrow/ops/modulation.hpp>

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
        linear(c.patch_size[0] * c.patch_size[1] * c.patch_size[2] * (c.out_channels() / c.in_channels) *
                   Extent(s.in_channels),
               s.hidden, Init::zeros()) {}

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
  static constexpr std::string_view family = "stdit1";
  using Config = StditConfig;

  Config config;
  Parameter<T, D> pos_embed, pos_embed_temporal;
  PatchEmbed3D<T, D> x_embedder;
  TimestepEmbedder<T, D> t_embedder;
  Linear<T, D> t_block;
  CaptionEmbedder<T, D> y_embedder;
  AnySharedParts<T, D> shared;  // of grafts
  AnyGraftsAt<T, D> time, tokens;
  std::vector<StditBlock<T, D>> blocks;
  StditFinalLayer<T, D> final_layer;
  Activations activations = Activations::keep;
  /// Weight of the load balancing loss of mixtures of experts, divided by the micro-batches of a step.
  double balance = 0;
  /// Blocks that a growth added and training lets in by and by.
  BlockMask mask = {};

  /// Uninitialised weights (see initialise() and load()); position tables are filled. Throws shape_error.
  explicit Stdit(const Config& c);

  /// What growth asks beside the parameters.
  static std::vector<PortSpec> ports(const Stdit& model) { return stdit_ports(model.config); }
  static std::vector<GraftRecord> grafts(const Stdit& model) { return model.config.grafts; }
  static TextInput text_input(const Stdit&) { return stdit_text_input(); }
  static auto config_patch(const Stdit& model) {
    return [base = model.config](const Schema& grown) {
      return detail::config_changes(config_text(base), config_text(resized(base, grown)));
    };
  }
  /// An STDiT of the sizes of a grown schema, weights not filled; growth of live models calls it.
  friend Stdit rebuild(const Stdit& old, const Schema& s) {
    Stdit grown(resized(old.config, s));
    grown.activations = old.activations;
    grown.balance = old.balance;
    grown.mask = old.mask.rebuilt(old.config.depth, grown.config.depth);
    return grown;
  }

  static void describe(auto& self, auto& v) {
    const StditSpaces s(self.config);
    v.space(s.hidden, SpaceRules{.copies = Copies::uniform, .because = "LayerNorm runs over it", .tied_to = "heads"});
    v.space(s.heads,
            SpaceRules{.copies = Copies::uniform, .because = "heads * head_dim == hidden", .tied_to = "hidden"});
    v.space(s.ffn, SpaceRules{});
    v.space(s.in_channels, SpaceRules{.copies = Copies::channels, .because = std::string(reason_of(Copies::channels))});
    for (const Space* positions : {&s.frames, &s.height, &s.width})
      v.space(*positions,
              SpaceRules{.copies = Copies::positions, .because = std::string(reason_of(Copies::positions))});
    v("pos_embed", self.pos_embed);
    v("pos_embed_temporal", self.pos_embed_temporal);
    v.child("x_embedder", self.x_embedder);
    v.child("t_embedder", self.t_embedder);
    v.child("t_block.1", self.t_block);
    v.child("y_embedder", self.y_embedder);
    AnyGraftsAt<T, D>::describe(self.tokens, v);
    AnySharedParts<T, D>::describe(self.shared, v);
    AnyGraftsAt<T, D>::describe(self.time, v);
    v.stack("blocks", self.blocks,
            StackRules{.first_insertion = 1,
                       .because = "the temporal position table enters block 0 only",
                       .streams = std::vector<std::string>(1, "hidden")});
    v.child("final_layer", self.final_layer);
  }

  /// x [B,C,T,H,W], t [B], the states of the first text encoder and (if the model takes them) of the second.
  Var<T, D> forward(Tape<T, D>& tape, const Var<T, D>& x, const Tensor<Stat<T>, D>& t, const TextStates<T, D>& text,
                    const TextStates<T, D>& text_2 = {});

 private:
  static Parameter<T, D> table(Axes axes) {
    return Parameter<T, D>(ParamInfo{.axes = std::move(axes), .purpose = Purpose::buffer});
  }
  Var<T, D> run_block(Tape<T, D>& tape, std::size_t i, const Var<T, D>& x, const Var<T, D>& m, const StditText<T, D>& y,
                      const GraftContext<T, D>& context, const Var<T, D>& table);
  void check(const Shape& x, const TextStates<T, D>& text_2) const;
};

template <class T, Device D>
Stdit<T, D>::Stdit(const Config& c) : config(c) {
  c.validate();
  const StditSpaces s(c);
  pos_embed = table({fixed(1), each(Extent(s.height) * s.width), each(s.hidden)});
  pos_embed_temporal = table({fixed(1), each(s.frames), each(s.hidden)});
  assign(pos_embed.value, sincos_2d(c.hidden_size, c.grid()[1], c.grid()[2], c.space_scale));
  std::vector<double> frames;
  for (std::int64_t t = 0; t < c.num_temporal(); ++t) frames.push_back(double(t) / c.time_scale);
  assign(pos_embed_temporal.value, sincos_1d(c.hidden_size, frames));
  x_embedder = PatchEmbed3D<T, D>(s.hidden, s.in_channels, c.patch());
  t_embedder = TimestepEmbedder<T, D>(s.hidden);
  t_block = Linear<T, D>(6 * Extent(s.hidden), s.hidden, Init::normal(0.02));
  y_embedder = CaptionEmbedder<T, D>(s.hidden, c.caption_channels, c.model_max_length);
  shared = AnySharedParts<T, D>([&](std::string_view port) { return s.port(port); }, c.grafts);
  time = AnyGraftsAt<T, D>(s.port("time"), c.grafts);
  tokens = AnyGraftsAt<T, D>(s.port("tokens"), c.grafts);
  for (std::int64_t i = 0; i < c.depth; ++i) blocks.emplace_back(c, s);
  final_layer = StditFinalLayer<T, D>(c, s);
}

template <class T, Device D>
Var<T, D> Stdit<T, D>::forward(Tape<T, D>& tape, const Var<T, D>& x, const Tensor<Stat<T>, D>& t,
                               const TextStates<T, D>& text, const TextStates<T, D>& text_2) {
  check(x.shape(), text_2);
  const std::int64_t width = config.hidden_size;
  Var<T, D> h = x_embedder(tape, x);
  h = add_table(tape, h, reshape(tape, tape.use(pos_embed), {config.num_spatial(), width}), Along::space);
  tape.observe({}, "x_embedder", h);
  const Var<T, D> embedded = y_embedder(tape, text);
  GraftContext<T, D> context{
      .caption = {embedded, text.lengths, {}}, .text = text_2, .time = t_embedder(tape, t), .balance = balance};
  context.time = time(tape, context.time, context);
  const Var<T, D> t0 = t_block(tape, silu(tape, context.time));
  tape.observe({}, "t_block", t0);
  shared.prepare(tape, context);
  const StditText<T, D> y{tokens.refine(tape, embedded, text.lengths, context), text.lengths};
  tape.observe({}, "y_embedder", y.tokens);
  const Var<T, D> frames = reshape(tape, tape.use(pos_embed_temporal), {config.num_temporal(), width});

  std::vector<Var<T, D>> tables;
  for (auto& block : blocks) tables.push_back(tape.use(block.scale_shift_table));
  const Var<T, D> m = modulation(tape, tables, t0);

  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const Var<T, D> table = i == 0 ? frames : Var<T, D>{};
    const Var<T, D> made = run_block(tape, i, h, m, y, context, table);
    h = mask(tape, std::int64_t(i), h, made);
  }
  h = final_layer(tape, h, context.time);
  tape.observe({}, "final_layer", h);
  return unpatchify(tape, h, {x.dim(0), config.out_channels(), x.dim(2), x.dim(3), x.dim(4)}, config.patch(),
                    PatchOrder::channels_last);
}

template <class T, Device D>
Var<T, D> Stdit<T, D>::run_block(Tape<T, D>& tape, std::size_t i, const Var<T, D>& x, const Var<T, D>& m,
                                 const StditText<T, D>& y, const GraftContext<T, D>& context, const Var<T, D>& table) {
  StditBlock<T, D>& block = blocks[i];
  const int first = int(i) * StditBlock<T, D>::slots;
  if (activations == Activations::keep || !tape.records())
    return block(tape, x, m, first, y, context, table, "blocks." + std::to_string(i) + ".");
  std::vector<Var<T, D>> inputs{x, m, y.tokens, context.time};
  if (context.tokens.defined()) inputs.push_back(context.tokens);
  return recompute(tape, std::move(inputs),
                   [&tape, &block, first, y, context, table](const std::vector<Var<T, D>>& v, Value result) {
                     GraftContext<T, D> seen = context;
                     seen.time = v[3];
                     if (v.size() == 5) seen.tokens = v[4];
                     return block(tape, v[0], v[1], first, StditText<T, D>{v[2], y.lengths}, seen, table, {}, result);
                   });
}

template <class T, Device D>
void Stdit<T, D>::check(const Shape& x, const TextStates<T, D>& text_2) const {
  const auto& s = config.input_size;
  if (x.rank() != 5 || x[1] != config.in_channels || x[2] != s[0] || x[3] != s[1] || x[4] != s[2])
    throw shape_error("[STDiT] input has shape " + to_string(x) + "; the model takes [batch, " +
                      std::to_string(config.in_channels) + ", " + std::to_string(s[0]) + ", " + std::to_string(s[1]) +
                      ", " + std::to_string(s[2]) + "]");
  if (!text_2.states.defined() && second_text(config.grafts))
    throw shape_error("[STDiT] the model reads a second text encoder; pass its text states too");
}

/// The configuration of a model that has these grafts from the start. Throws plan_error.
StditConfig with_grafts(const StditConfig& config, const Operator auto&... grafts) {
  return resized(config, plan(schema(Stdit<float, Meta>(config)), grafts...).schema());
}

}  // namespace modelgrow::inline v0
