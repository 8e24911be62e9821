// SPDX-License-Identifier: MIT
// The one way to use several cores: OpenMP over fixed chunks, so that results do not depend on the number of threads.
#pragma once
#include <algorithm>
#include <cstdint>

namespace modelgrow::inline v0 {

/// Calls f(begin, end) for chunks of `grain` indices of [0, n), in parallel. f must not throw.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
  const std::int64_t chunks = (n + grain - 1) / grain;
  if (chunks <= 1) {
    if (n > 0) f(std::int64_t{0}, n);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1)
  for (std::int64_t c = 0; c < chunks; ++c) f(c * grain, std::min(n, (c + 1) * grain));
}

}  // namespace modelgrow::inline v0
