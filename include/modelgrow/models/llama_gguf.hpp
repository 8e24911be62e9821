// SPDX-License-Identifier: MIT
// LlamaConfig from the metadata of a GGUF file (ggml-org/llama.cpp: gguf-py/gguf/constants.py, src/llama-model.cpp).
#pragma once
#include <cmath>

#include <modelgrow/models/llama_config.hpp>
#include <modelgrow/models/mapped_weights.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// By how much the positions are divided; 1 where they are not. A factor without a type is linear, old files have it as
/// rope.scale_linear, and 0 stands for 1 (src/llama-model.cpp).
inline double gguf_rope_factor(const GgufMetadata& m, const std::string& rope, const std::string& where) {
  const auto type = m.text(rope + "scaling.type", "linear");
  if (type == "none") return 1;
  if (type != "linear")
    throw format_error(where + ": the rotary positions are scaled by '" + std::string(type) +
                       "'; known are none, linear, llama3");
  const bool old = !m.contains(rope + "scaling.factor") && m.contains(rope + "scale_linear");
  const std::string key = rope + (old ? "scale_linear" : "scaling.factor");
  const double factor = m.contains(rope + "scaling.type") && !old ? m.real(key) : m.real(key, 1);
  if (factor == 0) return 1;
  if (!(factor > 0) || std::isinf(factor))
    throw format_error(where + ": the metadata '" + key + "' is " + std::to_string(factor) +
                       "; expected a positive number: convert the model again");
  return factor;
}

}  // namespace detail

/// Throws format_error: another architecture, experts, a rotary scaling that is not known, missing or wrong values.
inline LlamaConfig llama_config(const Gguf& file) {
  const auto& m = file.metadata();
  const std::string where = file.path().string();
  const auto fail = [&](const std::string& what) { throw format_error(where + ": " + what); };
  if (const auto kind = m.text("general.type", "model"); kind != "model")
    fail("it holds no model, but a part of kind '" + std::string(kind) + "': give the file of the model itself");
  const std::string family(m.text("general.architecture"));
  if (family != "llama" && family != "qwen2" && family != "qwen3")
    fail("the architecture is '" + family + "'; known are llama, qwen2, qwen3");
  const auto key = [&](const char* name) { return family + "." + name; };

  LlamaConfig c;
  c.width = m.integer(key("embedding_length"));
  c.depth = m.integer(key("block_count"));
  c.num_heads = m.integer(key("attention.head_count"));
  c.num_kv_heads = m.integer(key("attention.head_count_kv"), c.num_heads);
  c.head_dim = m.integer(key("attention.key_length"), c.num_heads > 0 ? c.width / c.num_heads : 0);
  c.ffn = m.integer(key("feed_forward_length"));
  c.max_length = m.integer(key("context_length"));
  if (const auto window = m.integer(key("attention.sliding_window"), 0); window > 0)
    c.max_length = std::min(c.max_length, window);
  c.norm_eps = m.real(key("attention.layer_norm_rms_epsilon"));
  c.rope_theta = m.real(key("rope.freq_base"), 10000);
  // The converter interleaves the halves of Llama's heads, not those of the others (convert_hf_to_gguf.py, permute).
  c.rope_pairs = family == "llama" ? RotaryPairs::neighbours : RotaryPairs::halves;

  if (const Shape shape = file.at("token_embd.weight").shape; shape.rank() == 2) c.vocabulary = shape[0];
  c.check(where);
  if (m.integer(key("expert_count"), 0) > 0)
    fail("the model has experts (mixture of experts), which are not supported");
  if (m.integer(key("attention.value_length"), c.head_dim) != c.head_dim ||
      m.integer(key("rope.dimension_count"), c.head_dim) != c.head_dim)
    fail("queries, values and rotary positions have different numbers of values a head, which is not supported");
  if (!m.flag(key("attention.causal"), true))
    fail("its tokens also look ahead ('" + key("attention.causal") + "' is false), which is not supported");
  if (m.real(key("rope.scaling.attn_factor"), 1) != 1)
    fail("the rotary positions scale attention ('" + key("rope.scaling.attn_factor") + "'), which is not supported");
  if (const double factor = detail::gguf_rope_factor(m, key("rope."), where); factor != 1)
    c.rope_factors.assign(std::size_t(c.head_dim / 2), float(factor));
  if (const auto* factors = file.find("rope_freqs.weight")) {  // Llama 3
    c.rope_factors.resize(std::size_t(numel(factors->shape)));
    dequantise(factors->type, factors->data.data(), c.rope_factors.data(), numel(factors->shape));
  }
  c.check(where);
  return c;
}

}  // namespace modelgrow::inline v0
