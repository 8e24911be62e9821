// SPDX-License-Identifier: MIT
// The learning rate over a run: linear warm-up, then constant or along half a cosine.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace modelgrow::inline v0 {

/// A learning rate for each step, numbered from 0.
struct Schedule {
  enum class Kind { constant, cosine };
  Kind kind = Kind::constant;
  double peak = 1e-4;
  std::int64_t warmup = 0;  // steps that rise linearly to the peak; the first one is peak / warmup
  std::int64_t total = 0;   // cosine: step at which the floor is reached
  double floor = 0.0;       // cosine: fraction of the peak that stays

  double operator()(std::int64_t step) const {
    if (step < warmup) return peak * double(step + 1) / double(warmup);
    if (kind == Kind::constant) return peak;
    const double done = double(step - warmup) / double(std::max<std::int64_t>(1, total - warmup));
    const double fall = 0.5 * (1.0 + std::cos(std::numbers::pi * std::min(1.0, done)));
    return peak * (floor + (1.0 - floor) * fall);
  }
};

}  // namespace modelgrow::inline v0
