// SPDX-License-Identifier: MIT
// The encoder of T5 1.1, mT5 and umT5: token ids to hidden states, forward only; weights stay mapped, prompts are
// packed. What Open-Sora, Latte, PixArt, CogVideoX, Wan, LTX and Mochi were trained with.
#pragma once
#include <cmath>

#include <modelgrow/models/hidden_states.hpp>
#include <modelgrow/models/mapped_weights.hpp>
#include <modelgrow/models/t5_config.hpp>
#include <modelgrow/ops/gated.hpp>
#include <modelgrow/ops/packed_attention.hpp>
#include <modelgrow/ops/quantised_linear.hpp>
#include <modelgrow/ops/rms_norm.hpp>

namespace modelgrow::inline v0 {

/// Bucket of a distance (key - query): half of them for keys behind the query; half of those for one distance each, the
/// rest grow by a constant factor up to max_distance. In float32, as upstream computes it.
inline std::int64_t t5_bucket(std::int64_t distance, std::int64_t num_buckets, std::int64_t max_distance) {
  const std::int64_t half = num_buckets / 2, exact = half / 2, side = distance > 0 ? half : 0;
  const std::int64_t d = distance < 0 ? -distance : distance;
  if (d < exact) return side + d;
  const float share = std::log(float(d) / float(exact)) / float(std::log(double(max_distance) / double(exact)));
  return side + std::min(half - 1, exact + std::int64_t(share * float(half - exact)));
}

/// A mapped encoder; copies share the mapping. D is a device whose memory the host can read.
template <Device D>
class T5Encoder {
 public:
  /// A directory with config.json and safetensors (the decoder of a whole T5 is left alone). Throws io_error, or
  /// format_error: another architecture, missing or misshapen tensors.
  static T5Encoder open(const std::filesystem::path& path) { return open(MappedWeights::open(path)); }
  static T5Encoder open(MappedWeights file) {
    T5Encoder m(std::move(file));
    read_config(m.config_, m.file_.config(), m.file_.config_file());
    m.find_weights();
    return m;
  }

  const T5Config& config() const { return config_; }
  std::int64_t width() const { return config_.width; }
  std::int64_t depth() const { return config_.depth; }
  /// Positions are relative, so nothing but memory limits a prompt.
  std::int64_t max_length() const { return std::int64_t{1} << 31; }

  /// As Llama::encode.
  std::vector<Tensor<float, D>> encode(const PackedPrompts& prompts, const HiddenLayers& layers = {},
                                       std::int64_t at_once = 2048) const {
    const T5Config& c = config_;
    check_prompts(prompts, "T5Encoder", c.vocabulary, max_length());
    HiddenStates<D> states(layers, c.depth, prompts.tokens(), c.width);
    for_parts<D>(prompts, CommonPrefix::compute, at_once, [&](const PromptPart<D>& part) {
      Activations a(c, part.tokens());
      quantised_embedding(part.ids, embedding_, a.x);
      states.keep(0, part, a.x);
      Tensor<float, D> bias;
      for (std::int64_t i = 1; i <= states.last(); ++i) {
        const Layer& w = layers_[std::size_t(i - 1)];
        if (w.bias_of_buckets.defined()) bias = bias_of_distances(w.bias_of_buckets, part.longest);
        layer(w, bias, part, a);
        if (i == c.depth) rms_norm(a.x, norm_, c.norm_eps, a.x);
        states.keep(i, part, a.x);
      }
    });
    return states.take();
  }

 private:
  struct Layer {
    Tensor<float, Cpu> attention_norm, ffn_norm;
    Tensor<float, Cpu> bias_of_buckets;  // [buckets, heads]; in the first layer only, but for umT5
    MappedLinear query, key, value, output, gate, up, down;
  };
  struct Activations {
    Tensor<float, D> x, h, q, k, v, attended, gate, up;
    Activations(const T5Config& c, std::int64_t n) {
      for (auto* t : {&x, &h}) *t = Tensor<float, D>({n, c.width});
      for (auto* t : {&q, &k, &v, &attended}) *t = Tensor<float, D>({n, c.num_heads, c.head_dim});
      for (auto* t : {&gate, &up}) *t = Tensor<float, D>({n, c.ffn});
    }
  };

  explicit T5Encoder(MappedWeights file) : file_(std::move(file)) {}

  void find_weights() {
    const T5Config& c = config_;
    const std::int64_t heads = c.num_heads * c.head_dim;
    const bool shared = file_.contains("shared.weight") || !file_.contains("encoder.embed_tokens.weight");
    embedding_ = file_.matrix(shared ? "shared.weight" : "encoder.embed_tokens.weight", c.vocabulary, c.width);
    norm_ = file_.vector("encoder.final_layer_norm.weight", c.width);
    for (std::int64_t i = 0; i < c.depth; ++i) {
      const std::string block = "encoder.block." + std::to_string(i) + ".layer.";
      const std::string attention = block + "0.SelfAttention.", ffn = block + "1.DenseReluDense.";
      const std::string bias = attention + "relative_attention_bias.weight";
      layers_.push_back({.attention_norm = file_.vector(block + "0.layer_norm.weight", c.width),
                         .ffn_norm = file_.vector(block + "1.layer_norm.weight", c.width),
                         .bias_of_buckets = {},
                         .query = file_.linear(attention + "q", heads, c.width),
                         .key = file_.linear(attention + "k", heads, c.width),
                         .value = file_.linear(attention + "v", heads, c.width),
                         .output = file_.linear(attention + "o", c.width, heads),
                         .gate = file_.linear(ffn + "wi_0", c.ffn, c.width),
                         .up = file_.linear(ffn + "wi_1", c.ffn, c.width),
                         .down = file_.linear(ffn + "wo", c.width, c.ffn)});
      if (i > 0 && !file_.contains(bias)) continue;
      const QuantisedMatrix table = file_.matrix(bias, c.num_buckets, c.num_heads);
      layers_.back().bias_of_buckets = Tensor<float, Cpu>({c.num_buckets, c.num_heads});
      for (std::int64_t b = 0; b < c.num_buckets; ++b)
        table.decode_row(b, layers_.back().bias_of_buckets.data() + b * c.num_heads);
    }
  }

  /// [heads, 2 * longest - 1], for distances from 1 - longest to longest - 1.
  Tensor<float, D> bias_of_distances(const Tensor<float, Cpu>& buckets, std::int64_t longest) const {
    const std::int64_t n = 2 * longest - 1, heads = config_.num_heads;
    Tensor<float, Cpu> bias({heads, n});
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t bucket = t5_bucket(i - longest + 1, config_.num_buckets, config_.max_distance);
      for (std::int64_t h = 0; h < heads; ++h) bias.data()[h * n + i] = buckets.data()[bucket * heads + h];
    }
    return to_device<D>(bias);
  }

  void layer(const Layer& w, const Tensor<float, D>& bias, const PromptPart<D>& part, Activations& a) const {
    const std::int64_t n = part.tokens(), heads = config_.num_heads * config_.head_dim;
    rms_norm(a.x, w.attention_norm, config_.norm_eps, a.h);
    quantised_linear(a.h, w.query.weight, w.query.bias, a.q.reshape({n, heads}));
    quantised_linear(a.h, w.key.weight, w.key.bias, a.k.reshape({n, heads}));
    quantised_linear(a.h, w.value.weight, w.value.bias, a.v.reshape({n, heads}));
    packed_attention(a.q, a.k, a.v, part.begins, {.sight = Sight::all, .scale = 1.0, .bias = bias}, a.attended);
    quantised_linear(a.attended.reshape({n, heads}), w.output.weight, w.output.bias, a.x, Write::add);

    rms_norm(a.x, w.ffn_norm, config_.norm_eps, a.h);
    quantised_linear(a.h, w.gate.weight, w.gate.bias, a.gate);
    quantised_linear(a.h, w.up.weight, w.up.bias, a.up);
    gated(Activation::gelu_tanh, a.gate, a.up);
    quantised_linear(a.gate, w.down.weight, w.down.bias, a.x, Write::add);
  }

  MappedWeights file_;
  T5Config config_;
  QuantisedMatrix embedding_;
  Tensor<float, Cpu> norm_;
  std::vector<Layer> layers_;
};

}  // namespace modelgrow::inline v0
