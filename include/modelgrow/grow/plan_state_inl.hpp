// SPDX-License-Identifier: MIT
// The verb that says what becomes of the state of optimizers. It changes no weight, so only the trajectory is at stake.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void Plan::move_state(const MoveState& verb) {
  for (const auto& s : steps_)
    if (std::holds_alternative<MoveState>(s.verb))
      throw plan_error("what becomes of the state of optimizers was said twice; it holds for the whole growth");
  const bool annealed = verb.multipliers == Rates::annealed;
  if (annealed ? verb.steps < 1 : verb.steps != 0)
    throw plan_error("multipliers are " + std::string(detail::word_of(verb.multipliers)) + " and .steps is " +
                     std::to_string(verb.steps) +
                     (annealed ? "; expected 1 or more, over which they go to 1" : "; only annealing takes steps"));
  Certificate trajectory;
  const auto breaks = [&](std::string why) { trajectory = combine(trajectory, detail::approximate(std::move(why))); };
  if (verb.moments == Moments::zeroed) breaks("all moments and step counters start at zero");
  if (verb.moments == Moments::reset_new) breaks("new units have no first moment");
  if (verb.multipliers == Rates::off) breaks("without multipliers AdamW takes other steps than the small model");
  if (annealed) breaks("the multipliers are annealed to 1 over " + std::to_string(verb.steps) + " steps");
  push(verb,
       "moments are " + std::string(detail::word_of(verb.moments)) + ", multipliers " +
           std::string(detail::word_of(verb.multipliers)),
       {}, std::move(trajectory));
  moves_state_ = verb;
}

}  // namespace modelgrow::inline v0
