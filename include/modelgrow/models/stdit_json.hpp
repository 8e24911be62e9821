// SPDX-License-Identifier: MIT
// StditConfig as config.json: the constructor arguments of Open-Sora 1.0 under their own names, and grafts.
#pragma once
#include <string>
#include <string_view>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/models/stdit_config.hpp>

namespace modelgrow::inline v0 {

/// The text of config.json.
std::string config_text(const StditConfig& c);

/// Reads config.json into c; absent keys keep what c has, unknown keys are ignored. Throws format_error with `where`.
void read_config(StditConfig& c, std::string_view text, const std::string& where);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/models/stdit_json_inl.hpp>
#endif
