// SPDX-License-Identifier: MIT
// What growth changes in config.json.
#pragma once
#include <string>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/schema.hpp>

namespace modelgrow::inline v0::detail {

/// The top-level keys that differ between two configurations, with their values in the second.
ConfigPatch config_changes(const std::string& before, const std::string& after);

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/models/config_changes_inl.hpp>
#endif
