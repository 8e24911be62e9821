// SPDX-License-Identifier: MIT
// What the verbs of a plan come to for one tensor: where its numbers come from, and what is done to them.
#pragma once
#include <set>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Rows of the grown tensor that were new copies behind one stage.
MODELGROW_INLINE std::vector<Rows> donated_rows(const std::vector<Stage>& stages, std::size_t stage) {
  std::vector<bool> copy;
  std::set<std::int64_t> seen;
  for (const auto i : stages[stage].axes[0].from) copy.push_back(!seen.insert(i).second);
  const std::vector<Stage> later(stages.begin() + std::ptrdiff_t(stage) + 1, stages.end());
  const auto map = total_map(later, 0);
  std::vector<Rows> rows;
  const auto n = std::int64_t(map.from.empty() ? copy.size() : map.from.size());
  for (std::int64_t i = 0; i < n; ++i) {
    if (!copy[std::size_t(map.from.empty() ? i : map.from[std::size_t(i)])]) continue;
    if (!rows.empty() && rows.back().end == i)
      ++rows.back().end;
    else
      rows.push_back(Rows{.begin = i, .end = i + 1});
  }
  return rows;
}

}  // namespace detail

MODELGROW_INLINE Recipe Plan::recipe(std::size_t i) const {
  const ParamSpec& p = schema_.parameters[i];
  const Origin& o = origins_[i];
  const Verb* by = o.step < 0 ? nullptr : &steps_[std::size_t(o.step)].verb;
  const auto* add = by ? std::get_if<Add>(by) : nullptr;
  const auto* mix = by ? std::get_if<Upcycle>(by) : nullptr;
  const ParamSpec& first = add   ? add->parameters[std::size_t(o.added)]
                           : mix ? mix->routers[std::size_t(o.added)]
                                 : source_.parameters[std::size_t(o.source)];
  Recipe r{.name = p.name,
           .dtype = p.dtype,
           .shape = p.shape(),
           .source = by ? "" : first.name,
           .source_axes = first.info.axes,
           .filling = o.filling,
           .init = first.info.init,
           .seed = add   ? add->seed
                   : mix ? mix->seed
                         : 0,
           .init_key = first.name,
           .closed = o.closed,
           .gates = o.gated ? detail::gate_rows(p) : std::vector<Rows>{},
           .fresh = o.fresh,
           .purpose = p.info.purpose,
           .silencing = p.info.silencing,
           .touches = {},
           .share = o.share,
           .moments = moves_state_.moments};
  if (o.filling && o.filling->part != Filling::Part::bias) {
    r.source_axes[1].extent = o.filling->map->from;
    if (o.filling->part == Filling::Part::states) r.source_axes[0].extent = p.info.axes[0].extent;
  }
  if (o.drawn) {
    r.source.clear();
    r.source_axes = o.drawn->axes;
    r.init = o.drawn->init;
    r.seed = o.drawn->seed;
    r.init_key = o.drawn->key;
  }
  for (const auto& [step, key] : o.touches)
    r.touches.push_back(Touch{.remap = &std::get<Remap>(steps_[std::size_t(step)].verb), .key = key});
  for (std::size_t t = 0; t < o.touches.size(); ++t)
    if (o.donor >= 0 && !o.closed && o.touches[t].first == o.donor_step) {
      r.donor = source_.parameters[std::size_t(o.donor)].name;
      r.donated = detail::donated_rows(detail::stages_of(r), t);
    }
  return r;
}

MODELGROW_INLINE std::vector<Recipe> Plan::recipes() const {
  std::vector<Recipe> all;
  for (std::size_t i = 0; i < schema_.parameters.size(); ++i) all.push_back(recipe(i));
  return all;
}

}  // namespace modelgrow::inline v0
