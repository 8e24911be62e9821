// SPDX-License-Identifier: MIT
// LlamaConfig from the metadata of a GGUF file (ggml-org/llama.cpp: gguf-py/gguf/constants.py, src/llama-model.cpp).
#pragma once
#include <modelgrow/models/llama_config.hpp>
#include <modelgrow/models/mapped_weights.hpp>

namespace modelgrow::inline v0 {

/// Throws format_error: another architecture, experts, a rotary scaling that is not known, missing or wrong values.
inline LlamaConfig llama_config(const Gguf& file) {
  const auto& m = file.metadata();
  const std::string where = file.path().string();
  const auto fail = [&](const std::string& what) { throw format_error(where + ": " + what); };
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
  if (const auto scaling = m.text(key("rope.scaling.type"), "none"); scaling == "linear")
    c.rope_factors.assign(std::size_t(c.head_dim / 2), float(m.real(key("rope.scaling.factor"))));
  else if (scaling != "none")
    fail("the rotary positions are scaled by '" + std::string(scaling) + "'; known are none, linear, llama3");
  if (const auto* factors = file.find("rope_freqs.weight")) {  // Llama 3
    c.rope_factors.resize(std::size_t(numel(factors->shape)));
    dequantise(factors->type, factors->data.data(), c.rope_factors.data(), numel(factors->shape));
  }
  c.check(where);
  return c;
}

}  // namespace modelgrow::inline v0
