// SPDX-License-Identifier: MIT
// Net2Deeper (Chen et al. 2016) for one block: a closed copy of any block at any place. InsertBlocks does many at once.
#pragma once
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

struct Net2Deeper {
  static constexpr std::string_view name = "Net2Deeper";
  std::string stack;
  std::int64_t at = 0;    // number of the new block
  std::int64_t like = 0;  // block to copy, as numbered before

  /// Throws plan_error.
  void apply(Plan& plan) const { plan.insert(stack, at, like); }
};

}  // namespace modelgrow::inline v0
