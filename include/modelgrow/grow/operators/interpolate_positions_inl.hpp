// SPDX-License-Identifier: MIT
// The definitions of interpolate_positions.hpp.
#pragma once
#include <algorithm>
#include <cmath>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/feasible.hpp>
#include <modelgrow/grow/operators/interpolate_positions.hpp>
#include <modelgrow/grow/operators/require_kind.hpp>
#include <modelgrow/grow/recipe.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void InterpolatePositions::apply(Plan& plan) const {
  const Schema& now = plan.schema();
  const SpaceSpec& spec = detail::require_kind(now, Copies::positions, space, "InterpolatePositions",
                                               "numbers no positions of a stored table",
                                               now.positions.empty() ? "the family has no such table" : now.positions);
  const std::int64_t from = spec.space.size;
  detail::require_feasible("InterpolatePositions", "a space '" + space + "'", to);
  if (to < 1 || to == from)
    throw plan_error("InterpolatePositions: '" + space + "' has " + std::to_string(from) + " positions; " +
                     std::to_string(to) + " is no other number of them");
  for (const auto& p : now.parameters)
    for (Axis axis : p.info.axes) {
      if (!axis.extent.mentions(space)) continue;
      detail::resize_space(axis, space, to);
      detail::require_feasible("InterpolatePositions", "a table '" + p.name + "'", axis.size());
    }
  SpaceMap map{.space = space, .old_size = from, .from = {}, .split = {}};
  for (std::int64_t j = 0; j < to; ++j) {
    const double at = align == Align::cells ? (double(j) + 0.5) * double(from) / double(to) - 0.5
                      : to > 1              ? double(j) * double(from - 1) / double(to - 1)
                                            : 0.5 * double(from - 1);
    const double x = std::clamp(at, 0.0, double(from - 1));
    const auto below = std::int64_t(x);
    const double above = x - double(below);
    map.from.push_back(below + (above > 0.5 ? 1 : 0));
    map.split.push_back(1);
    auto& blend = map.blend.emplace_back();
    if (above < 1) blend.push_back(Blend{.unit = below, .weight = 1 - above});
    if (above > 0) blend.push_back(Blend{.unit = below + 1, .weight = above});
  }
  plan.remap({std::move(map)});
}

}  // namespace modelgrow::inline v0
