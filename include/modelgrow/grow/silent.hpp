// SPDX-License-Identifier: MIT
// Silent units: a space grows by units that the model does not feel, because one side of them starts at zero. What
// that makes of every tensor follows from the roles of its axes and from its marks (growth-maths, 3.3 and 3.7).
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include <modelgrow/core/parameter.hpp>

namespace modelgrow::inline v0::detail {

inline bool any_silent(const SpaceMap& m) {
  return std::find(m.silent.begin(), m.silent.end(), true) != m.silent.end();
}

/// Appends a unit to a map: `of` itself, or a silent one beside it.
inline void put_unit(SpaceMap& m, std::int64_t of, bool silent) {
  m.from.push_back(of);
  m.split.push_back(1);
  m.silent.push_back(silent);
}

/// What the old and the silent units of one chunk of an axis are multiplied by.
struct SilentScale {
  double old = 1, silent = 1;
};

/// An RMSNorm across n units of which zeros make n' divides by sqrt(n/n') less: its gain makes up for it. Zeros are
/// writers; of channels of the data readers too, since the data lie between; of a modulation only what it adds behind a
/// norm, since a zero gate before a zero writer would never get a gradient. Inside of heads, n' channels make the
/// softmax divide by sqrt(n'/n) more, for which queries make up, where they are scaled last.
inline SilentScale silent_scale(const Silencing& marks, Role role, bool first_axis, std::int64_t chunk,
                                const SpaceMap& m) {
  const double eta = std::sqrt(double(m.old_size) / double(m.new_size()));
  const auto among = [&](const std::vector<std::int64_t>& chunks) {
    return std::find(chunks.begin(), chunks.end(), chunk) != chunks.end();
  };
  const bool query = m.silence == Silence::in_heads && marks.query && role != Role::in && first_axis &&
                     (marks.queries.empty() || among(marks.queries));
  if (marks.gain && query) return {};
  if (marks.gain) return {.old = eta, .silent = eta};
  if (query) return {.old = 1 / eta, .silent = 1 / eta};
  if (m.silence == Silence::unread) return {.silent = 0};
  const bool spared = role == Role::in || (first_axis && !marks.shifts.empty() && !among(marks.shifts));
  return {.silent = spared ? 1.0 : 0.0};
}

/// Adds to a lifted map what belongs to silent units. `grown`: the axis after the map.
inline void silence(AxisMap& lifted, const Silencing& marks, const Axis& before, const Axis& grown, bool first_axis,
                    const SpaceMap& m) {
  SpaceMap flags = m;
  for (std::size_t j = 0; j < flags.split.size(); ++j) flags.split[j] = m.silent[j] ? 0 : 1;
  const auto is_old = lift(in(before.extent), flags).weight;
  const auto chunks = chunks_of(grown.extent);
  lifted.scale.resize(is_old.size());
  lifted.fresh.resize(is_old.size());
  std::int64_t chunk = 0, end = chunks[0];
  for (std::size_t j = 0; j < is_old.size(); ++j) {
    while (std::int64_t(j) == end) end += chunks[std::size_t(++chunk)];
    const auto scale = silent_scale(marks, before.role, first_axis, chunk, m);
    lifted.fresh[j] = is_old[j] == 0;
    lifted.scale[j] = lifted.fresh[j] ? scale.silent : scale.old;
  }
}

}  // namespace modelgrow::inline v0::detail
