// SPDX-License-Identifier: MIT
// Which parameters of a grown model go into one group of an optimizer: those that need the same factors on rate,
// epsilon and weight decay.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/optimizers/step_factors.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// Factors on the settings of the old group, and the parameters that take them, in the order of the schema.
struct RateGroup {
  double rate = 1, epsilon = 1, decay = 1;
  std::vector<std::string> parameters = {};
};

/// The groups of the parameters of the grown model that the optimizer trains (Muon: those with two axes or more), the
/// one without factors first if there is one. `uneven`:
/// parameters whose factors differ from row to row or column to column, where groups have one: they go by the geometric
/// means, and the trajectory is APPROXIMATE.
struct RateGroups {
  std::vector<RateGroup> groups;
  std::vector<std::string> uneven;
};
RateGroups rate_groups(const Plan& plan, Optimizer optimizer);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/optimizers/rate_groups_inl.hpp>
#endif
