// SPDX-License-Identifier: MIT
// The one place that includes the JSON library.
#pragma once
#include <nlohmann/json.hpp>

namespace modelgrow::inline v0::detail {
using json = nlohmann::json;
}  // namespace modelgrow::inline v0::detail
