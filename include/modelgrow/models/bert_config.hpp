// SPDX-License-Identifier: MIT
// The sizes of a BERT encoder, and reading them from config.json of huggingface/transformers
// (models/bert/configuration_bert.py).
#pragma once
#include <modelgrow/models/config_json.hpp>

namespace modelgrow::inline v0 {

/// BERT and what shares its code, such as MiniLM; the defaults are those of bert-base-uncased.
struct BertConfig {
  static constexpr std::string_view model_types[] = {"bert"};
  std::int64_t width = 768, depth = 12, num_heads = 12, ffn = 3072, vocabulary = 30522, max_length = 512;
  double norm_eps = 1e-12;
  std::int64_t head_dim() const { return width / num_heads; }
  bool operator==(const BertConfig&) const = default;
};

/// Reads config.json; absent keys keep what c has. Throws format_error with `where`: another model_type, activation or
/// kind of position embeddings, sizes that make no sense.
inline void read_config(BertConfig& c, std::string_view text, const std::string& where) {
  const auto j = detail::parse_config(text, where);
  std::string type, activation = "gelu", positions = "absolute";
  detail::read_key(j, "model_type", type, where);
  detail::index_in(BertConfig::model_types, type, where + ": model_type");
  detail::read_key(j, "hidden_act", activation, where);
  detail::read_key(j, "position_embedding_type", positions, where);
  if (activation != "gelu") throw format_error(where + ": hidden_act is '" + activation + "'; expected 'gelu'");
  if (positions != "absolute")
    throw format_error(where + ": position_embedding_type is '" + positions + "'; expected 'absolute'");
  const std::pair<const char*, std::int64_t*> sizes[] = {
      {"hidden_size", &c.width},     {"num_hidden_layers", &c.depth}, {"num_attention_heads", &c.num_heads},
      {"intermediate_size", &c.ffn}, {"vocab_size", &c.vocabulary},   {"max_position_embeddings", &c.max_length}};
  for (const auto& [key, size] : sizes) {
    detail::read_key(j, key, *size, where);
    if (*size <= 0 || *size > std::int64_t{1} << 31)
      throw format_error(where + ": '" + key + "' is " + std::to_string(*size));
  }
  detail::read_key(j, "layer_norm_eps", c.norm_eps, where);
  if (c.width % c.num_heads != 0)
    throw format_error(where + ": 'hidden_size' is " + std::to_string(c.width) + ", which " +
                       std::to_string(c.num_heads) + " heads cannot share");
}

}  // namespace modelgrow::inline v0
