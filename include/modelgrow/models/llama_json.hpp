// SPDX-License-Identifier: MIT
// LlamaConfig from the config.json of huggingface/transformers (models/{llama,mistral,qwen2,qwen3}/configuration_*.py).
#pragma once
#include <algorithm>
#include <cmath>
#include <numbers>

#include <modelgrow/models/config_json.hpp>
#include <modelgrow/models/llama_config.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// By how much Llama 3 divides the frequencies of rotary pairs (modeling_rope_utils.py, _compute_llama3_parameters):
/// not at all where a turn is short against the original length, by `factor` where it is long, smoothly in between.
inline std::vector<float> llama3_factors(const json& scaling, const LlamaConfig& c, const std::string& where) {
  double factor = 0, low = 0, high = 0, length = 0;
  for (const auto& [key, value] : {std::pair{"factor", &factor},
                                   {"low_freq_factor", &low},
                                   {"high_freq_factor", &high},
                                   {"original_max_position_embeddings", &length}}) {
    read_key(scaling, key, *value, where);
    if (!(*value > 0)) throw format_error(where + ": the rotary scaling llama3 needs a positive '" + key + "'");
  }
  std::vector<float> factors;
  for (std::int64_t j = 0; j < c.head_dim / 2; ++j) {
    const double wavelength = 2 * std::numbers::pi * std::pow(c.rope_theta, double(2 * j) / double(c.head_dim));
    const double smooth = std::clamp((length / wavelength - low) / (high - low), 0.0, 1.0);
    factors.push_back(float(1 / ((1 - smooth) / factor + smooth)));
  }
  return factors;
}

inline void read_rope(LlamaConfig& c, const json& j, const std::string& where) {
  read_key(j, "rope_theta", c.rope_theta, where);
  for (const char* name : {"rope_parameters", "rope_scaling"}) {  // since and before transformers 5
    const auto it = j.find(name);
    if (it == j.end() || !it->is_object()) continue;
    read_key(*it, "rope_theta", c.rope_theta, where);
    std::string type = "default";
    read_key(*it, "type", type, where);
    read_key(*it, "rope_type", type, where);
    if (type == "llama3") {
      c.rope_factors = llama3_factors(*it, c, where);
    } else if (type == "linear") {
      float factor = 0;
      read_key(*it, "factor", factor, where);
      if (!(factor > 0)) throw format_error(where + ": the rotary scaling linear needs a positive 'factor'");
      c.rope_factors.assign(std::size_t(c.head_dim / 2), factor);
    } else if (type == "default") {
      for (const char* key : {"factor", "partial_rotary_factor"})
        if (const auto f = it->find(key); f != it->end() && !f->is_null() && *f != 1)
          throw format_error(where + ": '" + name + "' has '" + key + "' " + f->dump() +
                             " without a type that uses it; say which ('rope_type'), or remove it");
    } else {
      throw format_error(where + ": the rotary positions are scaled by '" + type +
                         "'; known are default, linear, llama3");
    }
  }
}

}  // namespace detail

/// Reads config.json; throws format_error with `where`: another model_type, activation or rotary scaling, missing or
/// contradicting sizes.
inline void read_config(LlamaConfig& c, std::string_view text, const std::string& where) {
  auto j = detail::parse_config(text, where);
  for (auto it = j.begin(); it != j.end();) it = it->is_null() ? j.erase(it) : std::next(it);  // null: the default
  std::string type, activation = "silu";
  detail::read_key(j, "model_type", type, where);
  detail::index_in(LlamaConfig::model_types, type, where + ": model_type");
  detail::read_key(j, "hidden_act", activation, where);
  if (activation != "silu") throw format_error(where + ": hidden_act is '" + activation + "'; expected 'silu'");

  detail::read_key(j, "hidden_size", c.width, where);
  detail::read_key(j, "num_hidden_layers", c.depth, where);
  detail::read_key(j, "num_attention_heads", c.num_heads, where);
  c.num_kv_heads = c.num_heads;
  detail::read_key(j, "num_key_value_heads", c.num_kv_heads, where);
  c.head_dim = type == "qwen3" ? 128 : c.num_heads > 0 ? c.width / c.num_heads : 0;
  detail::read_key(j, "head_dim", c.head_dim, where);
  detail::read_key(j, "intermediate_size", c.ffn, where);
  detail::read_key(j, "vocab_size", c.vocabulary, where);
  detail::read_key(j, "max_position_embeddings", c.max_length, where);
  detail::read_key(j, "rms_norm_eps", c.norm_eps, where);
  bool windowed = type == "mistral";
  std::int64_t window = 0;
  detail::read_key(j, "use_sliding_window", windowed, where);
  detail::read_key(j, "sliding_window", window, where);
  if (windowed && window > 0) c.max_length = std::min(c.max_length, window);
  c.check(where);
  detail::read_rope(c, j, where);
  c.rope_pairs = RotaryPairs::halves;
  c.check(where);
}

}  // namespace modelgrow::inline v0
