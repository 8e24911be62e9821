// SPDX-License-Identifier: MIT
// Definitions of config_changes.hpp.
#pragma once
#include <modelgrow/models/config_changes.hpp>
#include <modelgrow/models/config_json.hpp>

namespace modelgrow::inline v0::detail {

MODELGROW_INLINE ConfigPatch config_changes(const std::string& before, const std::string& after) {
  const auto old = parse_config(before, "configuration"), now = parse_config(after, "configuration");
  ConfigPatch patch;
  for (const auto& [key, value] : now.items())
    if (!old.contains(key) || old[key] != value) patch.emplace_back(key, value.dump());
  return patch;
}

}  // namespace modelgrow::inline v0::detail
