// SPDX-License-Identifier: MIT
// The sizes of a T5 encoder, and reading them from config.json of huggingface/transformers
// (models/{t5,umt5}/configuration_*.py).
#pragma once
#include <modelgrow/models/config_json.hpp>

namespace modelgrow::inline v0 {

/// T5 of version 1.1, mT5 or umT5: gated feed-forward layers.
struct T5Config {
  static constexpr std::string_view model_types[] = {"t5", "mt5", "umt5"};
  std::int64_t width = 512, depth = 6, num_heads = 8, head_dim = 64, ffn = 2048, vocabulary = 32128;
  std::int64_t num_buckets = 32, max_distance = 128;  // of relative positions
  double norm_eps = 1e-6;
  bool operator==(const T5Config&) const = default;
};

/// Reads config.json; absent keys keep what c has. Throws format_error with `where`: another model_type, another
/// feed-forward layer than gated-gelu, sizes that make no sense.
inline void read_config(T5Config& c, std::string_view text, const std::string& where) {
  const auto j = detail::parse_config(text, where);
  std::string type, feed_forward = "relu";
  detail::read_key(j, "model_type", type, where);
  detail::index_in(T5Config::model_types, type, where + ": model_type");
  detail::read_key(j, "feed_forward_proj", feed_forward, where);
  if (feed_forward != "gated-gelu")
    throw format_error(where + ": feed_forward_proj is '" + feed_forward +
                       "'; expected 'gated-gelu': take T5 version 1.1, mT5 or umT5");
  const std::pair<const char*, std::int64_t*> sizes[] = {{"d_model", &c.width},
                                                         {"num_layers", &c.depth},
                                                         {"num_heads", &c.num_heads},
                                                         {"d_kv", &c.head_dim},
                                                         {"d_ff", &c.ffn},
                                                         {"vocab_size", &c.vocabulary},
                                                         {"relative_attention_num_buckets", &c.num_buckets},
                                                         {"relative_attention_max_distance", &c.max_distance}};
  for (const auto& [key, size] : sizes) {
    detail::read_key(j, key, *size, where);
    if (*size <= 0 || *size > std::int64_t{1} << 31)
      throw format_error(where + ": '" + key + "' is " + std::to_string(*size));
  }
  detail::read_key(j, "layer_norm_epsilon", c.norm_eps, where);
  if (!(c.norm_eps > 0)) throw format_error(where + ": 'layer_norm_epsilon' must be positive");
  if (c.num_buckets % 4 != 0 || c.max_distance <= c.num_buckets / 4)
    throw format_error(where + ": " + std::to_string(c.num_buckets) + " buckets of relative positions up to " +
                       std::to_string(c.max_distance) +
                       "; expected a multiple of 4, and distances beyond a quarter of it");
}

}  // namespace modelgrow::inline v0
