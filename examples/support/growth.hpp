// SPDX-License-Identifier: MIT
// The growth of the main job: a pipeline about twice as large, written and proven to compute what its base computes.
#pragma once
#include <modelgrow/grow/ranks.hpp>
#include <modelgrow/grow/report.hpp>

#include "flow_task.hpp"
#include "growth_options.hpp"
#include "pipeline.hpp"

namespace example {

/// Both models with the averaged weights, the clips that the check has read, and what was found.
struct Growth {
  Model base, grown;
  ClipData data;
  mg::Report written;
  mg::ForwardCheck check;
  double seconds_load = 0, seconds_plan = 0, seconds_write = 0;
};

/// Plans, writes together with all ranks, checks, and prints each; throws check_error when the output changes.
Growth grow_and_check(const GrowthOptions& o, mg::Ranks& ranks);

}  // namespace example
