// SPDX-License-Identifier: MIT
// The definitions of grow_head_dim.hpp.
#pragma once
#include <modelgrow/core/linkage.hpp>
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
  if (to <= from)
    throw plan_error("GrowHeadDim: '" + space + "' has " + std::to_string(from) + " channels; " + std::to_string(to) +
                     " would add none");
  SpaceMap map{.space = space, .old_size = from, .from = {}, .split = {}, .silence = Silence::in_heads};
  for (std::int64_t j = 0; j < to; ++j) detail::put_unit(map, j % from, j >= from);
  plan.remap({std::move(map)});
}

}  // namespace modelgrow::inline v0
