// SPDX-License-Identifier: MIT
// OptimizerPolicy: what the growth does with moments and with the multipliers of the learning rate. The function of the
// model is not touched; the trajectory is, by all but the default.
#pragma once
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// Without it moments and multipliers follow the old trajectory (growth-maths, section 4). `reset_new` with multipliers
/// that are off is what SPARKLING found best for width (arXiv 2602.02472).
struct OptimizerPolicy {
  static constexpr std::string_view name = "OptimizerPolicy";
  static constexpr std::string_view summary = "what becomes of moments and of multipliers of the learning rate";
  Moments moments = Moments::carried;
  Rates multipliers = Rates::on;
  std::int64_t steps = 0;

  static void describe(auto& self, auto& v) {
    v("moments", self.moments, "carried along; none of what is new (second ones stay); all zero, counters too");
    v("multipliers", self.multipliers, "so that AdamW goes on as before: for good, none, or annealed to 1");
    v("steps", self.steps, "of the annealing");
  }

  /// Throws plan_error for steps that do not fit, and where it was said before.
  void apply(Plan& plan) const {
    plan.move_state(MoveState{.moments = moments, .multipliers = multipliers, .steps = steps});
  }
};

}  // namespace modelgrow::inline v0
