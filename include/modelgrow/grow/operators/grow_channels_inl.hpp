// SPDX-License-Identifier: MIT
// The definitions of grow_channels.hpp.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/operators/feasible.hpp>
#include <modelgrow/grow/operators/grow_channels.hpp>
#include <modelgrow/grow/silent.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void GrowChannels::apply(Plan& plan) const {
  const Schema& now = plan.schema();
  std::string channels;
  const SpaceSpec* spec = nullptr;
  for (const auto& s : now.spaces) {
    if (s.rules.copies != Copies::channels) continue;
    channels += (channels.empty() ? "'" : ", '") + s.space.name + "'";
    if (s.space.name == space) spec = &s;
  }
  if (!spec)
    throw plan_error(
        "GrowChannels: '" + space + "' of family '" + now.family + "' is no space of channels of the data" +
        (channels.empty() ? "; the family does not say where its channels are" : "; there are " + channels));
  const std::int64_t from = spec->space.size;
  detail::require_feasible("GrowChannels", "a space '" + space + "'", to);
  if (to <= from)
    throw plan_error("GrowChannels: '" + space + "' has " + std::to_string(from) + " channels; " + std::to_string(to) +
                     " would add none");
  SpaceMap map{.space = space, .old_size = from, .from = {}, .split = {}, .silence = Silence::unwritten};
  for (const auto& p : now.parameters)
    for (const auto& axis : p.info.axes)
      if (axis.role == Role::in && axis.extent.mentions(space)) map.silence = Silence::unread;
  for (std::int64_t j = 0; j < to; ++j) detail::put_unit(map, j % from, j >= from);
  plan.remap({std::move(map)});
}

}  // namespace modelgrow::inline v0
