// SPDX-License-Identifier: MIT
// The weight of masked blocks over a run (models/block_mask.hpp): exact at the growth, whole after so many steps.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// Rises linearly from 0 at step 0 to 1. Steps are those of the optimizer since the growth.
struct MaskAnneal {
  std::int64_t steps = 1000;  // from this step on the mask does nothing

  double operator()(std::int64_t step) const {
    return step < steps ? double(std::max<std::int64_t>(0, step)) / double(steps) : 1.0;
  }
};

/// The blocks of a stack that a plan adds, numbered as in the grown model. Throws plan_error.
inline std::vector<std::int64_t> new_blocks(const Plan& plan, std::string_view stack) {
  std::vector<std::int64_t> blocks;
  const auto map = plan.block_map(stack);
  for (std::size_t i = 0; i < map.size(); ++i)
    if (map[i] < 0) blocks.push_back(std::int64_t(i));
  return blocks;
}

}  // namespace modelgrow::inline v0
