// SPDX-License-Identifier: MIT
// A small video transformer that offers every port and names no graft; and its family text.
#pragma once
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/families/family.hpp>
#include <modelgrow/grafts.hpp>
#include <modelgrow/nn/initialise.hpp>
#include <modelgrow/nn/mlp.hpp>
#include <modelgrow/ops/norm_modulate.hpp>
#include <string>
#include <vector>

namespace toy {
namespace mg = modelgrow;

struct Config {
  std::int64_t hidden = 12, heads = 2, ffn = 20, depth = 2, channels = 3, text = 5;
  std::vector<mg::GraftRecord> grafts = {};
};

/// x [B,T,S,channels] -> the same: text in by a cross-attention, an MLP, and whatever stands at the ports.
template <class T, class D>
struct Model {
  static constexpr std::string_view family = "toy";
  Config config;
  mg::Space hidden, heads, ffn;
  mg::Linear<T, D> in, text_in, time_in, out;
  struct Block {
    mg::CrossAttention<T, D> cross;
    mg::Mlp<T, D> mlp;
    mg::AnyGraftsAt<T, D> temporal, text;
    static void describe(auto& self, auto& v) {
      v.child("cross", self.cross);
      v.child("mlp", self.mlp);
      mg::AnyGraftsAt<T, D>::describe(self.temporal, v);
      mg::AnyGraftsAt<T, D>::describe(self.text, v);
    }
  };
  std::vector<Block> blocks;
  mg::AnyGraftsAt<T, D> time, tokens;
  mg::AnySharedParts<T, D> shared;

  explicit Model(const Config& c)
      : config(c),
        hidden{.name = "hidden", .size = c.hidden},
        heads{.name = "heads", .size = c.heads},
        ffn{.name = "ffn", .size = c.ffn},
        in(hidden, c.channels),
        text_in(hidden, c.text),
        time_in(hidden, 1),
        out(c.channels, hidden),
        time(port("time"), c.grafts),
        tokens(port("tokens"), c.grafts),
        shared([this](std::string_view name) { return port(name); }, c.grafts) {
    for (std::int64_t i = 0; i < c.depth; ++i)
      blocks.push_back({.cross = mg::CrossAttention<T, D>(hidden, heads, c.hidden / c.heads),
                        .mlp = mg::Mlp<T, D>(hidden, ffn, hidden, mg::Init::xavier(), mg::Writes::residual),
                        .temporal = {port("temporal"), c.grafts},
                        .text = {port("text"), c.grafts}});
  }
  mg::Port port(std::string_view name) const {
    return {.name = std::string(name),
            .stream = hidden,
            .heads = heads,
            .head_dim = config.hidden / config.heads,
            .ffn = ffn};
  }
  static std::vector<mg::PortSpec> ports(const Model& m) {
    const std::string width = std::to_string(m.config.hidden / m.config.heads);
    return {{.name = "temporal", .stack = "blocks", .head_dim = width},
            {.name = "text", .stack = "blocks", .head_dim = width},
            {.name = "time"},
            {.name = "tokens", .head_dim = width}};
  }
  static std::vector<mg::GraftRecord> grafts(const Model& m) { return m.config.grafts; }

  static void describe(auto& self, auto& v) {
    v.space(self.hidden, {.copies = mg::Copies::uniform, .because = "LayerNorm runs over it", .tied_to = "heads"});
    v.space(self.heads, {.copies = mg::Copies::uniform, .because = "heads of fixed width", .tied_to = "hidden"});
    v.space(self.ffn, {});
    v.child("in", self.in);
    v.child("text_in", self.text_in);
    v.child("time_in", self.time_in);
    v.stack("blocks", self.blocks, {.streams = {"hidden"}});
    v.child("out", self.out);
    mg::AnyGraftsAt<T, D>::describe(self.time, v);
    mg::AnyGraftsAt<T, D>::describe(self.tokens, v);
    mg::AnySharedParts<T, D>::describe(self.shared, v);
  }
  friend Model rebuild(const Model& old, const mg::Schema& s) {
    Config c = old.config;
    c.hidden = s.space("hidden").space.size, c.heads = s.space("heads").space.size;
    c.ffn = s.space("ffn").space.size, c.depth = s.stack("blocks").count, c.grafts = s.grafts;
    return Model(c);
  }

  mg::Var<T, D> operator()(mg::Tape<T, D>& tape, const mg::Var<T, D>& x, const mg::Var<T, D>& t,
                           const mg::TextStates<T, D>& text, const mg::TextStates<T, D>& text_2) {
    const auto read = text_in(tape, text.states);
    mg::GraftContext<T, D> context{.caption = {read, text.lengths, {}}, .text = text_2, .time = time_in(tape, t)};
    context.time = time(tape, context.time, context);
    shared.prepare(tape, context);
    const auto words = tokens.refine(tape, read, text.lengths, context);
    mg::Var<T, D> y = in(tape, x);
    const auto shift = mg::reshape(tape, context.time, {x.dim(0), 1, y.dim(3)});
    y = mg::gate_residual(tape, y, y, shift, 0);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      auto& b = blocks[i];
      y = b.temporal(tape, y, context);
      y = mg::add(tape, y, b.text.around(tape, b.cross, y, words, text.lengths, context));
      y = b.text(tape, y, context);
      y = mg::add(tape, y, b.mlp(tape, y));
      tape.observe("blocks." + std::to_string(i) + ".", "mlp", y);
    }
    return out(tape, y);
  }
};

inline constexpr std::string_view text = R"json({
 "family": "toy",
 "config": {"heads": "heads"},
 "spaces": {
  "hidden": {"copies": "uniform", "because": "LayerNorm runs over it", "tied_to": "heads"},
  "heads": {"copies": "uniform", "because": "heads of fixed width", "tied_to": "hidden"},
  "ffn": {}
 },
 "stacks": {"blocks": {"stream": "hidden"}},
 "ports": {"temporal": {"stack": "blocks"}, "text": {"stack": "blocks"}, "time": {}, "tokens": {}},
 "tensors": {
  "in.{weight,bias}": "out hidden, in channels",
  "text_in.{weight,bias}": "out hidden, in text",
  "time_in.{weight,bias}": "out hidden, in 1",
  "blocks.{}.cross.q_linear.{weight,bias}": "out heads*head_dim, in hidden",
  "blocks.{}.cross.kv_linear.{weight,bias}": "out 2*heads*head_dim, in hidden",
  "blocks.{}.cross.proj.{weight,bias}": "out hidden, in heads*head_dim; closes",
  "blocks.{}.mlp.fc1.{weight,bias}": "out ffn, in hidden",
  "blocks.{}.mlp.fc2.{weight,bias}": "out hidden, in ffn; closes",
  "out.{weight,bias}": "out channels, in hidden"
 }
})json";

template <class T>
mg::Tensor<T, mg::Cpu> noise(mg::Shape shape, std::uint64_t seed) {
  mg::Tensor<T, mg::Cpu> x(std::move(shape));
  const mg::Rng rng(seed);
  for (std::int64_t i = 0; i < x.size(); ++i) x.data()[i] = T(rng.normal(std::uint64_t(i)));
  return x;
}

/// Every parameter random, those that start at zero too: a test on zeros proves nothing.
template <class T>
Model<T, mg::Cpu> random_model() {
  Model<T, mg::Cpu> m{Config{}};
  mg::for_each_parameter(m, [](const std::string& path, auto& p) {
    p.value = noise<T>(p.value.shape(), mg::hash_name(path));
    for (std::int64_t i = 0; i < p.value.size(); ++i) p.value.data()[i] *= T(0.3);
  });
  return m;
}

/// Two clips of 3 frames and 4 places, with two texts.
template <class T>
struct Inputs {
  mg::Tensor<T, mg::Cpu> x = noise<T>({2, 3, 4, 3}, 1), t = noise<T>({2, 1}, 2), text = noise<T>({2, 5, 5}, 3),
                         text_2 = noise<T>({2, 4, 6}, 4);
  mg::Tensor<std::int32_t, mg::Cpu> lengths = mg::Tensor<std::int32_t, mg::Cpu>::from({2}, std::vector<int>{4, 2});
  mg::Var<T, mg::Cpu> operator()(mg::Tape<T, mg::Cpu>& tape, Model<T, mg::Cpu>& m) const {
    return m(tape, tape.constant(x), tape.constant(t), {tape.constant(text), lengths, {}},
             {tape.constant(text_2), lengths, {}});
  }
};

}  // namespace toy
