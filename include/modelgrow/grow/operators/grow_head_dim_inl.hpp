// SPDX-License-Identifier: MIT
// The definitions of grow_head_dim.hpp.
#pragma once
#include <modelgrow/core/expression.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/feasible.hpp>
#include <modelgrow/grow/operators/grow_head_dim.hpp>
#include <modelgrow/grow/silent.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void GrowHeadDim::apply(Plan& plan) const {
  const SpaceSpec* spec = nullptr;
  for (const auto& s : plan.schema().spaces)
    if (s.space.name == space && s.rules.copies == Copies::in_heads) spec = &s;
  if (!spec)
    throw plan_error("GrowHeadDim: the heads of family '" + plan.schema().family +
                     "' cannot grow inside: it does not mark '" + space +
                     "' as in_heads, as where positions turn channels by frequencies that follow from their number");
  const std::int64_t from = spec->space.size;
  detail::require_feasible("GrowHeadDim", "a space '" + space + "'", to);
  if (to <= from)
    throw plan_error("GrowHeadDim: '" + space + "' has " + std::to_string(from) + " channels; " + std::to_string(to) +
                     " would add none");
  SpaceMap map{.space = space, .old_size = from, .from = {}, .split = {}, .silence = Silence::in_heads};
  if (spec->rules.rotary.pairs != Rotary::Pairs::none)
    spread(map, spec->rules.rotary);
  else
    for (std::int64_t j = 0; j < to; ++j) detail::put_unit(map, j % from, j >= from);
  plan.remap({std::move(map)});
}

MODELGROW_INLINE void GrowHeadDim::spread(SpaceMap& map, const Rotary& rotary) const {
  const std::int64_t from = map.old_size, times = to / from;
  const auto refuse = [&](const std::string& why) {
    throw plan_error("GrowHeadDim: '" + space + "' cannot grow " + std::to_string(from) + " -> " + std::to_string(to) +
                     " and keep the function: " + why + ", so that the new frequencies do not hold the old ones");
  };
  if (to % from != 0 || from % 2 != 0)
    refuse("it is no multiple of " + std::to_string(from) + ", the nearest being " +
           std::to_string(from * (times + 1)));
  for (const auto& section : rotary.sections) {
    const auto size = [&](std::int64_t n) {
      return Expression::parse(section, "GrowHeadDim").value(Sizes{{space, n}}).value_or(0);
    };
    if (size(to) != times * size(from))
      refuse("the section '" + section + "' of it grows " + std::to_string(size(from)) + " -> " +
             std::to_string(size(to)));
  }
  // Channels as [outer, frequency, inner]: [1, n/2, 2] or [2, n/2, 1].
  const std::int64_t inner = rotary.pairs == Rotary::Pairs::neighbours ? 2 : 1, outer = 2 / inner, n = from / 2;
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t j = 0; j < times * n; ++j)
      for (std::int64_t i = 0; i < inner; ++i) detail::put_unit(map, (o * n + j / times) * inner + i, j % times != 0);
}

}  // namespace modelgrow::inline v0
