// SPDX-License-Identifier: MIT
// The definitions of trajectory.hpp.
#pragma once
#include <algorithm>
#include <cstdio>

#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/optimizers/trajectory.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Spaces that do not grow evenly, the first of each kind; empty: there is none.
struct Uneven {
  std::string units, shares;
};
inline Uneven uneven_spaces(const Plan& plan) {
  Uneven found;
  for (const auto& step : plan.steps())
    if (const auto* remap = std::get_if<Remap>(&step.verb))
      for (const auto& m : remap->maps) {
        std::vector<double> copies(std::size_t(m.old_size), 0), squares = copies, first(copies.size(), -1);
        bool shares = any_silent(m);
        for (std::size_t j = 0; j < m.from.size(); ++j) {
          const auto i = std::size_t(m.from[j]);
          copies[i] += 1;
          squares[i] += m.split[j] * m.split[j];
          if (first[i] < 0) first[i] = m.split[j];
          shares |= m.split[j] != first[i];
        }
        const auto differ = [](const std::vector<double>& v) { return std::ranges::min(v) != std::ranges::max(v); };
        const bool units = any_silent(m) || differ(copies) || differ(squares);
        if (units && found.units.empty()) found.units = m.space;
        if (shares && found.shares.empty()) found.shares = m.space;
      }
  return found;
}
inline bool grows_a_space(const Plan& plan) {
  return std::ranges::any_of(plan.steps(), [](const Step& s) { return std::holds_alternative<Remap>(s.verb); });
}

}  // namespace detail

MODELGROW_INLINE bool adds_parameters(const Plan& plan) {
  return std::ranges::any_of(plan.recipes(), [](const Recipe& r) { return r.fresh && is_trained(r.purpose); });
}

MODELGROW_INLINE Certificate trajectory_of(const Plan& plan, Optimizer optimizer, NormClipping clipping) {
  const auto& rule = rule_of(optimizer);
  Certificate claim = plan.trajectory();
  const auto breaks = [&](std::string_view why, const std::string& where = {}) {
    if (!why.empty()) claim = combine(claim, detail::approximate(where + std::string(why)));
  };
  breaks(rule.reservations.ever);
  if (detail::grows_a_space(plan)) {
    breaks(rule.reservations.wider);
    if (const auto condition = rule.reservations.condition; !condition.empty())
      claim = combine(claim, Certificate{.exactness = Exactness::exact_if, .reason = std::string(condition)});
    const auto uneven = detail::uneven_spaces(plan);
    if (!uneven.units.empty())
      breaks(rule.reservations.uneven_units, "units of " + detail::quote(uneven.units) + " have different copies: ");
    if (!uneven.shares.empty())
      breaks(rule.reservations.uneven_shares, "copies in " + detail::quote(uneven.shares) + " have different shares: ");
  }
  if (clipping == NormClipping::active) breaks("gradients are clipped by their norm, which growth changes");
  if (clipping == NormClipping::unknown)
    claim = combine(claim, Certificate{.exactness = Exactness::exact_if,
                                       .reason = "gradients are not clipped by the norm of them all"});
  return claim;
}

MODELGROW_INLINE Certificate trajectory_of(const Plan& plan, const std::vector<Optimizer>& optimizers) {
  Certificate claim = plan.trajectory();
  for (const auto o : optimizers)
    if (o != Optimizer::adamw) claim = combine(claim, trajectory_of(plan, o));
  return claim;
}

MODELGROW_INLINE std::string newcomers_of(const Plan& plan, Optimizer optimizer) {
  const auto& rule = rule_of(optimizer);
  if (rule.newcomer != Newcomer::group_counter || !adds_parameters(plan)) return {};
  std::string text = std::string(name(optimizer)) +
                     " counts steps for a group, so that the first step of new "
                     "parameters is of another size:";
  for (const std::int64_t steps : {100, 1000, 10000}) {
    char part[64];
    std::snprintf(part, sizeof part, "%s %.2g rates after %lld steps", steps == 100 ? "" : ",",
                  rule.first_step(GroupClock{.steps = steps}), static_cast<long long>(steps));
    text += part;
  }
  return text + " (beta1 0.9, beta2 0.999)";
}

}  // namespace modelgrow::inline v0
