// SPDX-License-Identifier: MIT
// How long something took, for reports.
#pragma once
#include <chrono>

namespace modelgrow::inline v0::detail {

using Clock = std::chrono::steady_clock;
inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace modelgrow::inline v0::detail
