// SPDX-License-Identifier: MIT
// The definitions of grow_channels.hpp.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/feasible.hpp>
#include <modelgrow/grow/operators/grow_channels.hpp>
#include <modelgrow/grow/operators/require_kind.hpp>
#include <modelgrow/grow/silent.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void GrowChannels::apply(Plan& plan) const {
  const SpaceSpec& spec =
      detail::require_kind(plan.schema(), Copies::channels, space, "GrowChannels",
                           "is no space of channels of the data", "the family does not say where its channels are");
  const std::int64_t from = spec.space.size;
  detail::require_feasible("GrowChannels", "a space '" + space + "'", to);
  if (to <= from)
    throw plan_error("GrowChannels: '" + space + "' has " + std::to_string(from) + " channels; " + std::to_string(to) +
                     " would add none");
  SpaceMap map{.space = space, .old_size = from, .from = {}, .split = {}, .silence = Silence::unread};
  for (std::int64_t j = 0; j < to; ++j) detail::put_unit(map, j % from, j >= from);
  plan.remap({std::move(map)});
}

}  // namespace modelgrow::inline v0
