// SPDX-License-Identifier: MIT
// The learning rate over a run: linear warm-up, then constant, along half a cosine, or stable until the last share of
// the run; and the second warm-up that a growth asks for.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

/// The rate rises once more after each growth, for all parameters or only for those that the growth added.
struct Rewarm {
  enum class Of { none, all, added };
  Of of = Of::none;
  std::int64_t steps = 0;                // of the rise; the first one takes 1 / steps of the rate
  std::vector<std::int64_t> after = {};  // steps that were done when the model grew

  /// What the rate of `which` is multiplied by at a step.
  double operator()(Of which, std::int64_t step) const {
    double factor = 1;
    for (const auto grown : after)
      if (which == of && step >= grown && step < grown + steps) factor = double(step - grown + 1) / double(steps);
    return factor;
  }
};

/// A learning rate for each step, numbered from 0.
struct Schedule {
  enum class Kind { constant, cosine, stable_decay };
  /// How the rate falls at the end of `stable_decay`: 1 - t, half a cosine, or 1 - sqrt(t) (Haegele et al. 2024).
  enum class Decay { linear, cosine, sqrt };
  Kind kind = Kind::constant;
  double peak = 1e-4;
  std::int64_t warmup = 0;  // steps that rise linearly to the peak; the first one is peak / warmup
  std::int64_t total = 0;   // step at which the floor is reached
  double floor = 0.0;       // fraction of the peak that stays
  Decay decay = Decay::linear;
  double decay_share = 0.2;  // of all steps; the rate is stable before
  Rewarm rewarm = {};

  double operator()(std::int64_t step) const {
    const double all = peak * rewarm(Rewarm::Of::all, step);
    if (step < warmup) return all * double(step + 1) / double(warmup);
    if (kind == Kind::constant) return all;
    const std::int64_t begin = kind == Kind::cosine ? warmup : std::max(warmup, stable_until());
    const double done = double(step - begin) / double(std::max<std::int64_t>(1, total - begin));
    return all * (floor + (1.0 - floor) * fall(std::clamp(done, 0.0, 1.0)));
  }
  /// What the rate of parameters is multiplied by that a growth added (AdamW tells them by their own step counters).
  double of_added(std::int64_t step) const { return rewarm(Rewarm::Of::added, step); }
  /// The first step of `stable_decay` at which the rate falls.
  std::int64_t stable_until() const { return total - std::llround(decay_share * double(total)); }

  /// Throws error for numbers that make no schedule.
  void check() const {
    const auto bad = [](const std::string& what) { throw error("the schedule of the learning rate " + what); };
    if (kind == Kind::stable_decay && total < 1)
      bad("has total = " + std::to_string(total) + "; stable_decay needs the number of steps of the run");
    if (!(decay_share > 0 && decay_share <= 1))
      bad("decays over a share of " + std::to_string(decay_share) + " of the steps; expected more than 0, at most 1");
    if (rewarm.of != Rewarm::Of::none && rewarm.steps < 1)
      bad("warms up again over " + std::to_string(rewarm.steps) + " steps; expected 1 or more");
  }

 private:
  double fall(double done) const {
    if (kind == Kind::cosine || decay == Decay::cosine) return 0.5 * (1.0 + std::cos(std::numbers::pi * done));
    return decay == Decay::linear ? 1.0 - done : 1.0 - std::sqrt(done);
  }
};

}  // namespace modelgrow::inline v0
