// SPDX-License-Identifier: MIT
// The definitions of zero_channels.hpp.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/feasible.hpp>
#include <modelgrow/grow/operators/zero_channels.hpp>
#include <modelgrow/grow/silent.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void ZeroChannels::apply(Plan& plan) const {
  const SpaceSpec& spec = plan.schema().space(space);
  const std::int64_t from = spec.space.size;
  detail::require_feasible("ZeroChannels", "a space '" + space + "'", to);
  if (to <= from)
    throw plan_error("ZeroChannels: space '" + space + "' has " + std::to_string(from) + " channels; " +
                     std::to_string(to) + " would not widen it");
  if (!spec.rules.rms_only && !plan.approximate_allowed())
    throw plan_error("ZeroChannels: '" + space + "' of family '" + plan.schema().family +
                     "' is no stream that only RMSNorms run over" +
                     (spec.rules.because.empty() ? "" : " (" + spec.rules.because + ")") +
                     ", so channels of zeros would change the function; Net2Wider grows it by copies");
  SpaceMap map{.space = space, .old_size = from, .from = {}, .split = {}};
  for (std::int64_t j = 0; j < to; ++j) detail::put_unit(map, j % from, j >= from);
  plan.remap({std::move(map)});
}

}  // namespace modelgrow::inline v0
