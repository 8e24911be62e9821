// SPDX-License-Identifier: MIT
// ScheduleFree AdamW (Defazio et al., 2405.15682): z is a weight, its average x too. The file of the model holds
// y = beta1 x + (1 - beta1) z while train_mode is true, and x after eval(): growth is linear, so either grows as it is.
#pragma once
#include <cmath>

#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// Of y. The group corrects a second moment that is one step old as if it were as old as the run; y takes the part of
/// the step that goes into its average at a constant rate.
inline double first_step_of_schedule_free(const GroupClock& clock) {
  const double correction = (1 - std::pow(clock.beta2, double(clock.steps + 1))) / (1 - clock.beta2);
  return std::sqrt(correction) * (1 - clock.beta1 * (1 - 1 / double(clock.steps + 1)));
}
}  // namespace detail

template <>
inline OptimizerRule optimizer_rule<Optimizer::schedule_free>() {
  return {.optimizer = Optimizer::schedule_free,
          .of = "AdamWScheduleFree (schedulefree)",
          .entries = {{.name = "z", .moves = Moves::as_weight}, {.name = "exp_avg_sq", .moves = Moves::as_square}},
          .epsilon = true,
          .newcomer = Newcomer::group_counter,
          .first_step = &detail::first_step_of_schedule_free,
          .remark = "k, lr_max and weight_sum of a group are copied when it is split"};
}

/// The average x of a weight of a file that holds y (train_mode is true); of one that holds x it is the weight.
inline double schedule_free_average(double y, double z, double beta1) { return (y - (1 - beta1) * z) / beta1; }

}  // namespace modelgrow::inline v0
