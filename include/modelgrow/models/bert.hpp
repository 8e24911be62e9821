// SPDX-License-Identifier: MIT
// BERT encoders (MiniLM among them): token ids to hidden states, forward only; weights stay mapped, prompts are packed.
#pragma once
#include <modelgrow/models/bert_config.hpp>
#include <modelgrow/models/hidden_states.hpp>
#include <modelgrow/models/mapped_weights.hpp>
#include <modelgrow/ops/add_to.hpp>
#include <modelgrow/ops/gelu.hpp>
#include <modelgrow/ops/packed_attention.hpp>
#include <modelgrow/ops/quantised_linear.hpp>

namespace modelgrow::inline v0 {

/// A mapped encoder; copies share the mapping. D is a device whose memory the host can read.
template <Device D>
class Bert {
 public:
  /// A directory with config.json and safetensors. Throws io_error, or format_error: another architecture, missing or
  /// misshapen tensors.
  static Bert open(const std::filesystem::path& path) { return open(MappedWeights::open(path)); }
  static Bert open(MappedWeights file) {
    Bert m(std::move(file));
    read_config(m.config_, m.file_.config(), m.file_.config_file());
    m.find_weights();
    return m;
  }

  const BertConfig& config() const { return config_; }
  std::int64_t width() const { return config_.width; }
  std::int64_t depth() const { return config_.depth; }
  std::int64_t max_length() const { return config_.max_length; }

  /// As Llama::encode; every prompt is one segment (token type 0).
  std::vector<Tensor<float, D>> encode(const PackedPrompts& prompts, const HiddenLayers& layers = {},
                                       std::int64_t at_once = 2048) const {
    const BertConfig& c = config_;
    check_prompts(prompts, "Bert", c.vocabulary, c.max_length);
    HiddenStates<D> states(layers, c.depth, prompts.tokens(), c.width);
    for_parts<D>(prompts, CommonPrefix::compute, at_once, [&](const PromptPart<D>& part) {
      Activations a(c, part.tokens());
      quantised_embedding(part.ids, words_, a.x);
      quantised_embedding(part.positions, positions(), a.h);
      add_to(a.x, a.h);
      norm(embedding_norm_, a);
      states.keep(0, part, a.x);
      for (std::int64_t i = 1; i <= states.last(); ++i) {
        layer(layers_[std::size_t(i - 1)], part, a);
        states.keep(i, part, a.x);
      }
    });
    return states.take();
  }

 private:
  struct Norm {
    Tensor<float, Cpu> gain, bias;
  };
  struct Layer {
    MappedLinear query, key, value, output, up, down;
    Norm attention_norm, ffn_norm;
  };
  struct Activations {
    Tensor<float, D> x, h, q, k, v, attended, up;
    Activations(const BertConfig& c, std::int64_t n) {
      for (auto* t : {&x, &h}) *t = Tensor<float, D>({n, c.width});
      for (auto* t : {&q, &k, &v, &attended}) *t = Tensor<float, D>({n, c.num_heads, c.head_dim()});
      up = Tensor<float, D>({n, c.ffn});
    }
  };

  explicit Bert(MappedWeights file) : file_(std::move(file)) {}

  void find_weights() {
    const BertConfig& c = config_;
    const std::string prefix = file_.contains("embeddings.word_embeddings.weight") ? "" : "bert.";
    const std::string embeddings = prefix + "embeddings.";
    const auto norm_of = [&](const std::string& name) {  // conversions from TensorFlow say gamma and beta
      const bool old = file_.contains(name + ".LayerNorm.gamma") && !file_.contains(name + ".LayerNorm.weight");
      return Norm{.gain = file_.vector(name + (old ? ".LayerNorm.gamma" : ".LayerNorm.weight"), c.width),
                  .bias = file_.vector(name + (old ? ".LayerNorm.beta" : ".LayerNorm.bias"), c.width)};
    };
    words_ = file_.matrix(embeddings + "word_embeddings.weight", c.vocabulary, c.width);
    const auto places = file_.matrix(embeddings + "position_embeddings.weight", c.max_length, c.width);
    const std::string types = embeddings + "token_type_embeddings.weight";
    const Shape shape = file_.shape(types);
    const auto segments = file_.matrix(types, shape.empty() ? 1 : std::max<std::int64_t>(1, shape[0]), c.width);
    Tensor<float, Cpu> first({c.width});
    segments.decode_row(0, first.data());
    places_ = Tensor<float, Cpu>({c.max_length, c.width});
    for (std::int64_t i = 0; i < c.max_length; ++i) {
      float* row = places_.data() + i * c.width;
      places.decode_row(i, row);
      for (std::int64_t k = 0; k < c.width; ++k) row[k] += first.data()[k];
    }
    embedding_norm_ = norm_of(prefix + "embeddings");
    for (std::int64_t i = 0; i < c.depth; ++i) {
      const std::string block = prefix + "encoder.layer." + std::to_string(i) + ".";
      layers_.push_back({.query = file_.linear(block + "attention.self.query", c.width, c.width),
                         .key = file_.linear(block + "attention.self.key", c.width, c.width),
                         .value = file_.linear(block + "attention.self.value", c.width, c.width),
                         .output = file_.linear(block + "attention.output.dense", c.width, c.width),
                         .up = file_.linear(block + "intermediate.dense", c.ffn, c.width),
                         .down = file_.linear(block + "output.dense", c.width, c.ffn),
                         .attention_norm = norm_of(block + "attention.output"),
                         .ffn_norm = norm_of(block + "output")});
    }
  }

  QuantisedMatrix positions() const {
    return {.type = GgmlType::f32,
            .rows = places_.dim(0),
            .columns = places_.dim(1),
            .data = reinterpret_cast<const std::byte*>(places_.data())};
  }

  /// x = norm(x), by way of h.
  void norm(const Norm& w, Activations& a) const {
    normalise(a.x, w.gain, w.bias, config_.norm_eps, a.h);
    std::swap(a.x, a.h);
  }
  void layer(const Layer& w, const PromptPart<D>& part, Activations& a) const {
    const Shape rows{part.tokens(), config_.width};
    quantised_linear(a.x, w.query.weight, w.query.bias, a.q.reshape(rows));
    quantised_linear(a.x, w.key.weight, w.key.bias, a.k.reshape(rows));
    quantised_linear(a.x, w.value.weight, w.value.bias, a.v.reshape(rows));
    packed_attention(a.q, a.k, a.v, part.begins, {.sight = Sight::all}, a.attended);
    quantised_linear(a.attended.reshape(rows), w.output.weight, w.output.bias, a.x, Write::add);
    norm(w.attention_norm, a);

    quantised_linear(a.x, w.up.weight, w.up.bias, a.up);
    gelu(a.up);
    quantised_linear(a.up, w.down.weight, w.down.bias, a.x, Write::add);
    norm(w.ffn_norm, a);
  }

  MappedWeights file_;
  BertConfig config_;
  QuantisedMatrix words_;
  Tensor<float, Cpu> places_;  // position embeddings plus that of token type 0 [max_length, width]
  Norm embedding_norm_;
  std::vector<Layer> layers_;
};

}  // namespace modelgrow::inline v0
