// SPDX-License-Identifier: MIT
// The logit bias of tokens that were concatenated to an existing text, over a run: unseen at step 0, then ever louder.
#pragma once
#include <cstdint>
#include <limits>

namespace modelgrow::inline v0 {

/// Rises linearly from `from` to 0: the weight of the new tokens, exp(bias), grows by equal factors. Steps are those of
/// the optimizer since the graft; a run that continues a trained graft goes on counting, or leaves the bias as it is.
struct LogitAnneal {
  std::int64_t steps = 1000;  // from this step on the new tokens count as the old ones
  double from = -8;

  /// Minus infinity at step 0, where the model still is what it was.
  double operator()(std::int64_t step) const {
    if (step <= 0) return -std::numeric_limits<double>::infinity();
    return step < steps ? from * (1.0 - double(step) / double(steps)) : 0.0;
  }
};

}  // namespace modelgrow::inline v0
