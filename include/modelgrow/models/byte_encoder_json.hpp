// SPDX-License-Identifier: MIT
// ByteEncoderConfig as config.json.
#pragma once
#include <string>
#include <string_view>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/models/byte_encoder_config.hpp>

namespace modelgrow::inline v0 {

/// The text of config.json.
std::string config_text(const ByteEncoderConfig& c);

/// Reads config.json into c; absent keys keep what c has. Throws format_error with `where`.
void read_config(ByteEncoderConfig& c, std::string_view text, const std::string& where);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/models/byte_encoder_json_inl.hpp>
#endif
