// SPDX-License-Identifier: MIT
// The verb `fill` of a plan: what reads states reads other ones through a map.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Throws plan_error for a map whose numbers do not fit its sizes or are not finite.
inline void check_map(const AffineMap* map) {
  if (!map) throw plan_error("a fill needs a map");
  if (map->from <= 0 || map->to <= 0 || std::int64_t(map->weight.size()) != map->from * map->to ||
      std::int64_t(map->bias.size()) != map->to)
    throw plan_error("a map from width " + std::to_string(map->from) + " to " + std::to_string(map->to) + " holds " +
                     std::to_string(map->weight.size()) + " and " + std::to_string(map->bias.size()) +
                     " numbers; expected " + std::to_string(map->from * map->to) + " and " + std::to_string(map->to));
  const auto finite = [](double x) { return std::isfinite(x); };
  if (!std::all_of(map->weight.begin(), map->weight.end(), finite) ||
      !std::all_of(map->bias.begin(), map->bias.end(), finite))
    throw plan_error("the map " + checksum(*map) + " holds numbers that are not finite; fit it anew");
}

/// First `inner`, then `outer`: of states that are read through two maps.
inline AffineMap compose(const AffineMap& outer, const AffineMap& inner) {
  AffineMap map{.from = inner.from,
                .to = outer.to,
                .weight = std::vector<double>(std::size_t(inner.from * outer.to)),
                .bias = outer.bias};
  for (std::int64_t i = 0; i < outer.to; ++i)
    for (std::int64_t k = 0; k < outer.from; ++k) {
      const double x = outer.weight[std::size_t(i * outer.from + k)];
      map.bias[std::size_t(i)] += x * inner.bias[std::size_t(k)];
      for (std::int64_t j = 0; j < inner.from; ++j)
        map.weight[std::size_t(i * inner.from + j)] += x * inner.weight[std::size_t(k * inner.from + j)];
    }
  return map;
}

/// "through the map 0f.. (R^2 0.93)".
inline std::string through(const AffineMap& map) {
  char text[64];
  std::snprintf(text, sizeof text, " (R^2 %.3f)", map.r_squared.value_or(0));
  return "through the map " + checksum(map) + (map.r_squared ? text : "");
}

}  // namespace detail

MODELGROW_INLINE std::size_t Plan::check_filled(const std::string& name, const Fill& verb) const {
  const auto i = std::size_t(index_of(name));
  const ParamSpec& p = schema_.parameters[i];
  if (origins_[i].source < 0 || origins_[i].drawn)
    throw plan_error("cannot fill " + detail::quote(name) + ": it is new itself; add it after the fill");
  const auto& axes = p.info.axes;
  const auto grows = [&] {
    return std::any_of(schema_.spaces.begin(), schema_.spaces.end(),
                       [&](const SpaceSpec& s) { return axes[1].extent.mentions(s.space.name); });
  };
  if (axes.size() != 2 || axes[1].size() != verb.map->to || grows())
    throw plan_error("cannot fill " + detail::quote(name) + " of shape " + to_string(p.shape()) +
                     " through a map to width " + std::to_string(verb.map->to) +
                     ": expected a matrix whose second axis is so long and grows with no space; fit the map to the "
                     "states that the model reads now");
  return i;
}

MODELGROW_INLINE void Plan::fill(const Fill& verb) {
  detail::check_map(verb.map.get());
  const AffineMap& map = *verb.map;
  if (verb.readers.empty()) throw plan_error("a fill names nothing that reads the states");
  const bool shifts = std::any_of(map.bias.begin(), map.bias.end(), [](double c) { return c != 0; });
  Schema next = schema_;
  std::vector<Origin> origins = origins_;
  std::shared_ptr<const AffineMap> total;  // of all fills of a reader
  const auto note = [&](std::size_t i, Filling::Part part, std::size_t weight) {
    Origin& o = origins[i];
    const auto& before = origins_[weight].filling;
    if (origins_[i].filling.has_value() != before.has_value() || (before && before->map != origins_[i].filling->map))
      throw plan_error(detail::quote(schema_.parameters[i].name) + " and " +
                       detail::quote(schema_.parameters[weight].name) + " were filled apart; fill them together");
    const Shape stored = source_.parameters[std::size_t(o.source)].shape();
    o.filling = Filling{.part = part,
                        .weight = source_.parameters[std::size_t(origins_[weight].source)].name,
                        .map = total,
                        .stored = stored};
    o.fresh = true;
  };
  for (const auto& reader : verb.readers) {
    const std::size_t weight = check_filled(reader.weight, verb);
    const auto& before = origins_[weight].filling;
    total = before ? std::make_shared<const AffineMap>(detail::compose(*before->map, map)) : verb.map;
    note(weight, Filling::Part::weight, weight);
    next.parameters[weight].info.axes[1].extent = map.from;
    if (!reader.bias.empty()) {
      const auto bias = std::size_t(index_of(reader.bias));
      if (schema_.parameters[bias].shape() != Shape{schema_.parameters[weight].shape()[0]})
        throw plan_error(detail::quote(reader.bias) + " of shape " + to_string(schema_.parameters[bias].shape()) +
                         " is no bias of " + detail::quote(reader.weight) + " of shape " +
                         to_string(schema_.parameters[weight].shape()));
      note(bias, Filling::Part::bias, weight);
    } else if (shifts) {
      throw plan_error(detail::quote(reader.weight) +
                       " has no bias, which would take the constant of the map; give a map without one (all zero)");
    }
    if (reader.states.empty()) continue;
    if (verb.length <= 0)
      throw plan_error("the stored states " + detail::quote(reader.states) + " would have length " +
                       std::to_string(verb.length) + "; expected a length of at least 1");
    const auto states = check_filled(reader.states, verb);
    if (schema_.parameters[states].shape()[0] == 0)
      throw plan_error("cannot fill " + detail::quote(reader.states) + ": it holds no states");
    note(states, Filling::Part::states, weight);
    next.parameters[states].info.axes[1].extent = map.from;
    next.parameters[states].info.axes[0].extent = verb.length;
  }
  for (const auto& [name, size] : verb.constants) next.constants[name] = size;
  if (verb.graft) {
    std::erase_if(next.grafts, [&](const GraftRecord& g) { return g.name == verb.graft->name; });
    next.grafts.push_back(*verb.graft);
  }
  push(verb,
       "fill what reads states of width " + std::to_string(map.to) + " so that it reads those of width " +
           std::to_string(map.from),
       detail::approximate("other states are read, " + detail::through(map)),
       detail::approximate("what is filled starts with zero moments and its own step 0"));
  schema_ = std::move(next);
  origins_ = std::move(origins);
}

}  // namespace modelgrow::inline v0
