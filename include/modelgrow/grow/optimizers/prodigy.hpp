// SPDX-License-Identifier: MIT
// Prodigy (Mishchenko and Defazio, 2306.06101): AdamW whose rate is estimated from gradients and the way from the first
// weights p0, over all parameters. Only without sampling (slice_p 1) are s and p0 as long as the parameter.
#pragma once
#include <cmath>

#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// With use_bias_correction; without it any first step is that of `steps` going to infinity.
inline double first_step_of_prodigy(const GroupClock& clock) {
  const double k = double(clock.steps + 1);
  const double correction = std::sqrt(1 - std::pow(clock.beta2, k)) / (1 - std::pow(clock.beta1, k));
  return correction * (1 - clock.beta1) / std::sqrt(1 - clock.beta2);
}
}  // namespace detail

template <>
inline OptimizerRule optimizer_rule<Optimizer::prodigy>() {
  return {.optimizer = Optimizer::prodigy,
          .of = "Prodigy (prodigyopt), slice_p 1",
          .entries = {{.name = "s", .form = EntryForm::flat},
                      {.name = "p0", .moves = Moves::as_weight, .form = EntryForm::flat},
                      {.name = "exp_avg"},
                      {.name = "exp_avg_sq", .moves = Moves::as_square},
                      {.name = "step", .moves = Moves::counted, .form = EntryForm::number}},
          .epsilon = true,
          .reservations = {.ever = "Prodigy takes one rate for all groups, and its estimate of it sums over copies and "
                                   "new parameters"},
          .newcomer = Newcomer::group_counter,
          .first_step = &detail::first_step_of_prodigy,
          .one_rate = true,
          .makes_new = false,
          .remark = "new parameters get no state, so that their p0 becomes what they are at their first step"};
}

}  // namespace modelgrow::inline v0
