// SPDX-License-Identifier: MIT
// Definitions of byte_encoder_json.hpp.
#pragma once
#include <modelgrow/models/byte_encoder_json.hpp>
#include <modelgrow/models/config_json.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE std::string config_text(const ByteEncoderConfig& c) {
  detail::json j;
  j["_class_name"] = "ByteEncoder";
  j["width"] = c.width;
  j["depth"] = c.depth;
  j["num_heads"] = c.num_heads;
  j["max_length"] = c.max_length;
  j["ngram_buckets"] = c.ngram_buckets;
  return j.dump(2) + "\n";
}

MODELGROW_INLINE void read_config(ByteEncoderConfig& c, std::string_view text, const std::string& where) {
  const auto j = detail::parse_config(text, where);
  detail::read_key(j, "width", c.width, where);
  detail::read_key(j, "depth", c.depth, where);
  detail::read_key(j, "num_heads", c.num_heads, where);
  detail::read_key(j, "max_length", c.max_length, where);
  detail::read_key(j, "ngram_buckets", c.ngram_buckets, where);
}

}  // namespace modelgrow::inline v0
