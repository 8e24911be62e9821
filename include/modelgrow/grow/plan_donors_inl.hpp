// SPDX-License-Identifier: MIT
// New rows that come from the next block of a stack (bert2BERT's advanced knowledge initialisation): which tensors give
// them.
#pragma once
#include <algorithm>
#include <map>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// By parameter: the source of the same parameter in the next block of its kind; -1 where rows are its own. Throws
/// plan_error for a parameter that took rows from elsewhere before.
MODELGROW_INLINE std::vector<std::int64_t> Plan::donors(const Remap& remap) const {
  std::vector<std::int64_t> all(schema_.parameters.size(), -1);
  if (remap.rows == NewRows::own) return all;
  std::map<std::string_view, std::size_t> index;
  for (std::size_t i = 0; i < schema_.parameters.size(); ++i) index.emplace(schema_.parameters[i].name, i);
  const auto whole = [](const Origin& o) {
    return o.source >= 0 && !o.drawn && !o.closed && !o.gated && !o.filling && o.donor < 0;
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    const ParamSpec& p = schema_.parameters[i];
    const bool rows = !p.info.axes.empty() && (p.info.axes[0].role == Role::out || p.info.axes[0].role == Role::each) &&
                      std::any_of(remap.maps.begin(), remap.maps.end(),
                                  [&](const SpaceMap& m) { return p.info.axes[0].extent.mentions(m.space); });
    if (!rows) continue;
    if (origins_[i].donor >= 0)
      throw plan_error("rows of " + detail::quote(p.name) +
                       " were taken from the next block before: do it in one step");
    for (const auto& s : schema_.stacks)
      if (const auto b = block_name(p.name, s.name)) {
        const auto next = index.find(in_block(s.name, b->block + s.rules.period, b->rest));
        if (next == index.end() || schema_.parameters[next->second].info.axes != p.info.axes) continue;
        const Origin &mine = origins_[i], &other = origins_[next->second];
        if (!whole(mine) || !whole(other) || mine.touches.size() != other.touches.size()) continue;
        all[i] = other.source;
      }
  }
  if (std::all_of(all.begin(), all.end(), [](std::int64_t i) { return i < 0; }))
    throw plan_error("no new row of '" + remap.maps[0].space +
                     "' can come from a next block: its rows are in no stack");
  return all;
}

}  // namespace modelgrow::inline v0
