// SPDX-License-Identifier: MIT
// Language models of the Llama family as text encoders: token ids to hidden states, forward only. Weights stay mapped
// and quantised; prompts of unequal length are packed, so that every row computed is a token.
#pragma once
#include <modelgrow/models/hidden_states.hpp>
#include <modelgrow/models/llama_gguf.hpp>
#include <modelgrow/models/llama_json.hpp>
#include <modelgrow/models/llama_weights.hpp>
#include <modelgrow/ops/gated.hpp>
#include <modelgrow/ops/packed_attention.hpp>
#include <modelgrow/ops/quantised_linear.hpp>
#include <modelgrow/ops/rms_norm.hpp>

namespace modelgrow::inline v0 {

/// A mapped model; copies share the mapping. D is a device whose memory the host can read.
template <Device D>
class Llama {
 public:
  /// A .gguf file, or a directory with config.json and safetensors. Throws io_error, or format_error: unknown
  /// architecture, missing or misshapen tensors.
  static Llama open(const std::filesystem::path& path) { return open(MappedWeights::open(path)); }
  static Llama open(MappedWeights file) {
    Llama m(std::move(file));
    if (const Gguf* gguf = m.file_.gguf())
      m.config_ = llama_config(*gguf);
    else
      read_config(m.config_, m.file_.config(), m.file_.config_file());
    m.weights_ = llama_weights(m.file_, m.config_);
    return m;
  }

  const LlamaConfig& config() const { return config_; }
  std::int64_t width() const { return config_.width; }
  std::int64_t depth() const { return config_.depth; }
  std::int64_t max_length() const { return config_.max_length; }

  /// Hidden states [tokens, width] of the prompts, packed as they are: one tensor for each of `layers`, or their mean.
  /// What all prompts begin with (a template) is computed once. Computes `at_once` tokens at a time (or one prompt, if
  /// it is longer), which bounds the memory. Throws shape_error for empty prompts, prompts longer than max_length(),
  /// ids outside the vocabulary and layers the model lacks.
  std::vector<Tensor<float, D>> encode(const PackedPrompts& prompts, const HiddenLayers& layers = {},
                                       std::int64_t at_once = 2048) const {
    const LlamaConfig& c = config_;
    check_prompts(prompts, "Llama", c.vocabulary, c.max_length);
    HiddenStates<D> states(layers, c.depth, prompts.tokens(), c.width);
    for_parts<D>(prompts, CommonPrefix::share, at_once, [&](const PromptPart<D>& part) {
      Activations a(c, part);
      quantised_embedding(part.ids, weights_.embedding, a.x);
      states.keep(0, part, a.x);
      for (std::int64_t i = 1; i <= states.last(); ++i) {
        layer(weights_.layers[std::size_t(i - 1)], part, a);
        if (i == c.depth) rms_norm(a.x, weights_.norm, c.norm_eps, a.x);
        states.keep(i, part, a.x);
      }
    });
    return states.take();
  }

 private:
  explicit Llama(MappedWeights file) : file_(std::move(file)) {}

  /// Memory of one part.
  struct Activations {
    RotaryTable<D> table;
    Tensor<float, D> x, h, q, k, v, attended, gate, up;
    Activations(const LlamaConfig& c, const PromptPart<D>& part)
        : table(rotary_table<D>(part.longest, c.head_dim, c.rope_theta, c.rope_factors)) {
      const std::int64_t n = part.tokens();
      for (auto* t : {&x, &h}) *t = Tensor<float, D>({n, c.width});
      for (auto* t : {&q, &attended}) *t = Tensor<float, D>({n, c.num_heads, c.head_dim});
      for (auto* t : {&k, &v}) *t = Tensor<float, D>({n, c.num_kv_heads, c.head_dim});
      for (auto* t : {&gate, &up}) *t = Tensor<float, D>({n, c.ffn});
    }
  };

  void layer(const LlamaLayer& w, const PromptPart<D>& part, Activations& a) const {
    const LlamaConfig& c = config_;
    const std::int64_t n = part.tokens(), heads = c.num_heads * c.head_dim, kv_heads = c.num_kv_heads * c.head_dim;
    rms_norm(a.x, w.attention_norm, c.norm_eps, a.h);
    quantised_linear(a.h, w.query.weight, w.query.bias, a.q.reshape({n, heads}));
    quantised_linear(a.h, w.key.weight, w.key.bias, a.k.reshape({n, kv_heads}));
    quantised_linear(a.h, w.value.weight, w.value.bias, a.v.reshape({n, kv_heads}));
    if (w.query_norm.defined()) rms_norm(a.q, w.query_norm, c.norm_eps, a.q);
    if (w.key_norm.defined()) rms_norm(a.k, w.key_norm, c.norm_eps, a.k);
    rotate(a.q, c.rope_pairs, part.positions, a.table);
    rotate(a.k, c.rope_pairs, part.positions, a.table);
    packed_attention(a.q, a.k, a.v, part.begins, {.sight = Sight::causal, .prefix = part.prefix}, a.attended);
    quantised_linear(a.attended.reshape({n, heads}), w.output.weight, w.output.bias, a.x, Write::add);

    rms_norm(a.x, w.ffn_norm, c.norm_eps, a.h);
    quantised_linear(a.h, w.gate.weight, w.gate.bias, a.gate);
    quantised_linear(a.h, w.up.weight, w.up.bias, a.up);
    gated(Activation::silu, a.gate, a.up);
    quantised_linear(a.gate, w.down.weight, w.down.bias, a.x, Write::add);
  }

  MappedWeights file_;
  LlamaConfig config_;
  LlamaWeights weights_;
};

}  // namespace modelgrow::inline v0
