// SPDX-License-Identifier: MIT
// Definitions of byte_encoder_json.hpp.
#pragma once
#include <modelgrow/models/byte_encoder_json.hpp>
#include <modelgrow/models/config_json.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE std::string config_text(const ByteEncoderConfig& c) {
  return detail::config_json("ByteEncoder", c).dump(2) + "\n";
}

MODELGROW_INLINE void read_config(ByteEncoderConfig& c, std::string_view text, const std::string& where) {
  detail::read_keys(detail::parse_config(text, where), c, where);
}

}  // namespace modelgrow::inline v0
