// SPDX-License-Identifier: MIT
// Tiles that stream through two stages of shared memory, one ahead of the arithmetic.
#pragma once
#include <modelgrow/backend/cuda/kernel.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// take(stage, step) for each step, while the copies that fetch(stage, step + 1) starts are under way; those of step 0
/// are to stages[0] and under way already. Afterwards nobody reads stages[steps % 2].
template <class Dev, class Stage, class Fetch, class Take>
MODELGROW_DEVICE void stream_tiles(Dev dev, Stage (&stages)[2], int steps, Fetch fetch, Take take) {
  for (int step = 0; step < steps; ++step) {
    dev.template wait_copies<0>();
    dev.sync();  // the tiles are here, and nobody reads those of the other stage any more
    if (step + 1 < steps) fetch(stages[(step + 1) % 2], step + 1);
    dev.commit_copies();
    take(stages[step % 2], step);
  }
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
