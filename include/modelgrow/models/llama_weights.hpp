// SPDX-License-Identifier: MIT
// The tensors of a model of the Llama family, found under the names of GGUF or of transformers.
#pragma once
#include <modelgrow/models/llama_config.hpp>
#include <modelgrow/models/mapped_weights.hpp>

namespace modelgrow::inline v0 {

/// One block; query_norm and key_norm are undefined but in Qwen3.
struct LlamaLayer {
  Tensor<float, Cpu> attention_norm, query_norm, key_norm, ffn_norm;
  MappedLinear query, key, value, output, gate, up, down;
};

struct LlamaWeights {
  QuantisedMatrix embedding;
  Tensor<float, Cpu> norm;
  std::vector<LlamaLayer> layers;
};

namespace detail {

/// Names of a file; those inside a block come behind "<block><index>.".
struct LlamaNames {
  std::string embedding, norm, block;
  const char *attention_norm, *query, *key, *value, *output, *query_norm, *key_norm, *ffn_norm, *gate, *up, *down;
};

inline LlamaNames llama_gguf_names() {
  return {.embedding = "token_embd.weight",
          .norm = "output_norm.weight",
          .block = "blk.",
          .attention_norm = "attn_norm",
          .query = "attn_q",
          .key = "attn_k",
          .value = "attn_v",
          .output = "attn_output",
          .query_norm = "attn_q_norm",
          .key_norm = "attn_k_norm",
          .ffn_norm = "ffn_norm",
          .gate = "ffn_gate",
          .up = "ffn_up",
          .down = "ffn_down"};
}
/// `prefix` is "model." in a model for text generation, empty in one without a head.
inline LlamaNames llama_upstream_names(const std::string& prefix) {
  return {.embedding = prefix + "embed_tokens.weight",
          .norm = prefix + "norm.weight",
          .block = prefix + "layers.",
          .attention_norm = "input_layernorm",
          .query = "self_attn.q_proj",
          .key = "self_attn.k_proj",
          .value = "self_attn.v_proj",
          .output = "self_attn.o_proj",
          .query_norm = "self_attn.q_norm",
          .key_norm = "self_attn.k_norm",
          .ffn_norm = "post_attention_layernorm",
          .gate = "mlp.gate_proj",
          .up = "mlp.up_proj",
          .down = "mlp.down_proj"};
}

}  // namespace detail

/// Finds every tensor and checks its shape. Throws format_error.
inline LlamaWeights llama_weights(const MappedWeights& file, const LlamaConfig& c) {
  const auto names = file.gguf() ? detail::llama_gguf_names()
                                 : detail::llama_upstream_names(file.contains("embed_tokens.weight") ? "" : "model.");
  LlamaWeights w;
  w.embedding = file.matrix(names.embedding, c.vocabulary, c.width);
  w.norm = file.vector(names.norm, c.width);
  for (std::int64_t i = 0; i < c.depth; ++i) {
    const std::string block = names.block + std::to_string(i) + ".";
    const auto vector = [&](const char* part, std::int64_t size) {
      return file.vector(block + part + ".weight", size);
    };
    const auto norm_of_heads = [&](const char* part) {
      return file.contains(block + part + ".weight") ? vector(part, c.head_dim) : Tensor<float, Cpu>();
    };
    const auto linear = [&](const char* part, std::int64_t out, std::int64_t in) {
      return file.linear(block + part, out, in);
    };
    const std::int64_t heads = c.num_heads * c.head_dim, kv_heads = c.num_kv_heads * c.head_dim;
    w.layers.push_back({.attention_norm = vector(names.attention_norm, c.width),
                        .query_norm = norm_of_heads(names.query_norm),
                        .key_norm = norm_of_heads(names.key_norm),
                        .ffn_norm = vector(names.ffn_norm, c.width),
                        .query = linear(names.query, heads, c.width),
                        .key = linear(names.key, kv_heads, c.width),
                        .value = linear(names.value, kv_heads, c.width),
                        .output = linear(names.output, c.width, heads),
                        .gate = linear(names.gate, c.ffn, c.width),
                        .up = linear(names.up, c.ffn, c.width),
                        .down = linear(names.down, c.width, c.ffn)});
  }
  return w;
}

}  // namespace modelgrow::inline v0
