// SPDX-License-Identifier: MIT
// Language models of the Llama family as text encoders: token ids to hidden states, forward only. Weights stay mapped
// and quantised; prompts of unequal length are packed, so that every row computed is a token.
#pragma once
#include <modelgrow/models/hidden_layers.hpp>
#include <modelgrow/models/llama_gguf.hpp>
#include <modelgrow/models/llama_json.hpp>
#include <modelgrow/models/llama_weights.hpp>
#include <modelgrow/models/packed_prompts.hpp>
#include <modelgrow/ops/add_normalised.hpp>
#include <modelgrow/ops/packed_attention.hpp>
#include <modelgrow/ops/quantised_linear.hpp>
#include <modelgrow/ops/rms_norm.hpp>
#include <modelgrow/ops/swiglu.hpp>

namespace modelgrow::inline v0 {

/// A mapped model; copies share the mapping. D is a device whose memory the host can read.
template <Device D>
class Llama {
 public:
  /// A .gguf file, or a directory with config.json and safetensors. Throws io_error, or format_error: unknown
  /// architecture, missing or misshapen tensors.
  static Llama open(const std::filesystem::path& path) {
    Llama m(MappedWeights::open(path));
    if (const Gguf* gguf = m.file_.gguf()) {
      m.config_ = llama_config(*gguf);
    } else {
      const Checkpoint& in = *m.file_.checkpoint();
      if (in.config().empty())
        throw format_error(path.string() +
                           ": there is no config.json beside the weights: give the directory of a "
                           "language model, or a .gguf file");
      read_config(m.config_, in.config(), (path / Checkpoint::config_file).string());
    }
    m.weights_ = llama_weights(m.file_, m.config_);
    return m;
  }

  const LlamaConfig& config() const { return config_; }
  std::int64_t width() const { return config_.width; }
  std::int64_t max_length() const { return config_.max_length; }

  /// Hidden states [tokens, width] of the prompts, packed as they are: one tensor for each of `layers`, or their mean.
  /// Computes `at_once` tokens at a time (or one prompt, if it is longer), which bounds the memory. Throws shape_error
  /// for empty prompts, prompts longer than max_length(), ids outside the vocabulary and layers the model lacks.
  std::vector<Tensor<float, D>> encode(const PackedPrompts& prompts, const HiddenLayers& layers = {},
                                       std::int64_t at_once = 2048) const {
    check(prompts);
    Run run{.layers = layers.resolve(config_.depth),
            .mean = layers.combine == HiddenLayers::Combine::normalised_mean,
            .results = {}};
    for (std::size_t i = 0; i < (run.mean ? 1 : run.layers.size()); ++i)
      run.results.push_back(Tensor<float, D>::zeros({prompts.tokens(), config_.width}));
    for (std::int64_t first = 0; first < prompts.count();) {
      std::int64_t last = first + 1;
      const std::int64_t begin = prompts.begins[std::size_t(first)];
      while (last < prompts.count() && prompts.begins[std::size_t(last + 1)] - begin <= at_once) ++last;
      encode_part(prompts, first, last, run);
      first = last;
    }
    return std::move(run.results);
  }

 private:
  explicit Llama(MappedWeights file) : file_(std::move(file)) {}

  struct Run {
    std::vector<std::int64_t> layers;
    bool mean;
    std::vector<Tensor<float, D>> results;
  };
  /// The prompts of one part and memory for its activations.
  struct Part {
    std::vector<std::int64_t> begins;
    Tensor<std::int32_t, D> positions;
    RotaryTable<D> table;
    Tensor<float, D> x, h, q, k, v, attended, gate, up;
  };

  void check(const PackedPrompts& prompts) const {
    for (std::int64_t i = 0; i < prompts.count(); ++i)
      if (const auto n = prompts.length(i); n < 1 || n > config_.max_length)
        throw shape_error("[Llama] prompt " + std::to_string(i) + " has " + std::to_string(n) +
                          " tokens; expected 1 to " + std::to_string(config_.max_length) + ": crop it");
    for (std::size_t i = 0; i < prompts.ids.size(); ++i)
      if (prompts.ids[i] < 0 || prompts.ids[i] >= config_.vocabulary)
        throw shape_error("[Llama] token " + std::to_string(i) + " has the id " + std::to_string(prompts.ids[i]) +
                          "; the model knows 0 to " + std::to_string(config_.vocabulary - 1) +
                          ": use the tokenizer of this model");
  }

  void encode_part(const PackedPrompts& prompts, std::int64_t first, std::int64_t last, Run& run) const {
    const LlamaConfig& c = config_;
    const std::int64_t begin = prompts.begins[std::size_t(first)], n = prompts.begins[std::size_t(last)] - begin;
    Part p;
    std::vector<std::int32_t> positions;
    std::int64_t longest = 0;
    for (std::int64_t i = first; i <= last; ++i) p.begins.push_back(prompts.begins[std::size_t(i)] - begin);
    for (std::int64_t i = first; i < last; ++i) {
      for (std::int64_t t = 0; t < prompts.length(i); ++t) positions.push_back(std::int32_t(t));
      longest = std::max(longest, prompts.length(i));
    }
    p.positions = Tensor<std::int32_t, D>::from({n}, positions);
    p.table = rotary_table<D>(longest, c.head_dim, c.rope_theta, c.rope_factors);
    for (auto* t : {&p.x, &p.h}) *t = Tensor<float, D>({n, c.width});
    for (auto* t : {&p.q, &p.attended}) *t = Tensor<float, D>({n, c.num_heads, c.head_dim});
    for (auto* t : {&p.k, &p.v}) *t = Tensor<float, D>({n, c.num_kv_heads, c.head_dim});
    for (auto* t : {&p.gate, &p.up}) *t = Tensor<float, D>({n, c.ffn});

    const auto ids =
        Tensor<std::int32_t, D>::from({n}, std::span(prompts.ids).subspan(std::size_t(begin), std::size_t(n)));
    quantised_embedding(ids, weights_.embedding, p.x);
    keep(0, begin, p, run);
    const std::int64_t depth = *std::max_element(run.layers.begin(), run.layers.end());
    for (std::int64_t i = 0; i < depth; ++i) {
      layer(weights_.layers[std::size_t(i)], p);
      keep(i + 1, begin, p, run);
    }
  }

  void layer(const LlamaLayer& w, Part& p) const {
    const LlamaConfig& c = config_;
    const std::int64_t n = p.x.dim(0), heads = c.num_heads * c.head_dim, kv_heads = c.num_kv_heads * c.head_dim;
    rms_norm(p.x, w.attention_norm, c.norm_eps, p.h);
    quantised_linear(p.h, w.query.weight, w.query.bias, p.q.reshape({n, heads}));
    quantised_linear(p.h, w.key.weight, w.key.bias, p.k.reshape({n, kv_heads}));
    quantised_linear(p.h, w.value.weight, w.value.bias, p.v.reshape({n, kv_heads}));
    if (w.query_norm.defined()) rms_norm(p.q, w.query_norm, c.norm_eps, p.q);
    if (w.key_norm.defined()) rms_norm(p.k, w.key_norm, c.norm_eps, p.k);
    rotate(p.q, c.rope_pairs, p.positions, p.table);
    rotate(p.k, c.rope_pairs, p.positions, p.table);
    packed_attention(p.q, p.k, p.v, p.begins, Sight::causal, p.attended);
    quantised_linear(p.attended.reshape({n, heads}), w.output.weight, w.output.bias, p.x, Write::add);

    rms_norm(p.x, w.ffn_norm, c.norm_eps, p.h);
    quantised_linear(p.h, w.gate.weight, w.gate.bias, p.gate);
    quantised_linear(p.h, w.up.weight, w.up.bias, p.up);
    swiglu(p.gate, p.up);
    quantised_linear(p.gate, w.down.weight, w.down.bias, p.x, Write::add);
  }

  /// Hands state i of the tokens from `begin` on to the results that want it. The final norm belongs to the last state.
  void keep(std::int64_t i, std::int64_t begin, Part& p, Run& run) const {
    for (std::size_t k = 0; k < run.layers.size(); ++k) {
      if (run.layers[k] != i) continue;
      Tensor<float, D> state = p.x;
      if (i == config_.depth) {
        rms_norm(p.x, weights_.norm, config_.norm_eps, p.h);
        state = p.h;
      }
      const auto result = run.results[run.mean ? 0 : k].view(begin * config_.width, p.x.shape());
      if (run.mean)
        add_normalised(state, 1.0 / double(run.layers.size()), result);
      else
        D::copy(result.data(), state.data(), state.bytes());
    }
  }

  MappedWeights file_;
  LlamaConfig config_;
  LlamaWeights weights_;
};

}  // namespace modelgrow::inline v0
