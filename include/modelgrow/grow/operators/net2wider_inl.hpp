// SPDX-License-Identifier: MIT
// The definitions of net2wider.hpp.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/grow/feasible.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void Net2Wider::apply(Plan& plan) const {
  const auto& spec = plan.schema().space(space);
  const std::int64_t from = spec.space.size, to = wanted(from);
  detail::require_feasible("Net2Wider", "a space '" + space + "'", to);
  if (to <= from)
    throw plan_error("Net2Wider: space '" + space + "' has " + std::to_string(from) + " units; " + std::to_string(to) +
                     " would not widen it");
  const auto group = plan.tied(space);
  const bool multiple = to % from == 0;
  std::vector<SpaceMap> maps;
  for (const auto& member : group) {
    const auto& s = plan.schema().space(member);
    const bool uniform = s.rules.copies != Copies::any;
    if (!by_copies(s.rules.copies) && !plan.approximate_allowed())
      throw plan_error("Net2Wider: space '" + space + "' cannot grow and keep the function" +
                       (member == space ? "" : ": '" + member + "', which is tied to it, would have to grow along") +
                       ": " + s.rules.because);
    if (uniform && !multiple && !plan.approximate_allowed()) refuse(spec, s, to);
    if (to * s.space.size % from != 0)
      throw plan_error("Net2Wider: space '" + member + "' is tied to '" + space + "' and has " +
                       std::to_string(s.space.size) + " units, which cannot grow by " + std::to_string(to) + "/" +
                       std::to_string(from) + "; nearest sizes of '" + space + "': " + nearest_multiples(from, to));
    const UnitMap kind = map != UnitMap::automatic                   ? map
                         : multiple && (uniform || group.size() > 1) ? UnitMap::interleaved
                                                                     : UnitMap::random;
    maps.push_back(s.rules.copies == Copies::spread && multiple ? spread(s.space, to / from)
                                                                : widen(s.space, to * s.space.size / from, kind));
  }
  plan.remap(std::move(maps), Noise{.db = noise_db, .seed = seed}, rows);
}

MODELGROW_INLINE std::int64_t Net2Wider::wanted(std::int64_t from) const {
  if ((to != 0) + (times != 0) != 1) throw plan_error("Net2Wider: give exactly one of .to and .times");
  if (to != 0) return to;
  const double size = double(from) * times;
  if (!(size >= 1 && size <= 1e12) || std::abs(size - std::round(size)) > 1e-9 * size)
    throw plan_error("Net2Wider: space '" + space + "' has " + std::to_string(from) + " units; " +
                     std::to_string(times) + " times as many is no number of units; give .to");
  return std::llround(size);
}

MODELGROW_INLINE std::string Net2Wider::nearest_multiples(std::int64_t from, std::int64_t to) {
  return (to / from > 1 ? std::to_string(to / from * from) + " or " : "") + std::to_string((to / from + 1) * from);
}

MODELGROW_INLINE void Net2Wider::refuse(const SpaceSpec& asked, const SpaceSpec& uniform, std::int64_t to) const {
  const std::int64_t from = asked.space.size;
  throw plan_error("Net2Wider: space '" + space + "' cannot grow " + std::to_string(from) + " -> " +
                   std::to_string(to) + " and keep the function: every unit of '" + uniform.space.name +
                   "' needs the same number of copies, because " + uniform.rules.because +
                   "; nearest sizes: " + nearest_multiples(from, to) + " (or give allow_approximate before it)");
}

MODELGROW_INLINE SpaceMap Net2Wider::spread(const Space& s, std::int64_t times) {
  SpaceMap m{.space = s.name, .old_size = s.size, .from = {}, .split = {}};
  for (std::int64_t j = 0; j < times * s.size; ++j) {
    m.from.push_back(j / times);
    m.split.push_back(j % times == 0 ? 1.0 : 0.0);
  }
  return m;
}

MODELGROW_INLINE SpaceMap Net2Wider::widen(const Space& s, std::int64_t size, UnitMap kind) const {
  SpaceMap m{.space = s.name, .old_size = s.size, .from = {}, .split = {}};
  if (kind == UnitMap::interleaved && size % s.size != 0)
    throw plan_error("Net2Wider: an interleaved map of '" + s.name + "' needs a multiple of " + std::to_string(s.size) +
                     " units; " + std::to_string(size) + " were asked for");
  // Random: rounds of permutations, so that no unit gets two copies more than another.
  std::vector<std::int64_t> order(std::size_t(s.size));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const Rng rng(seed, hash_name(s.name));
  for (std::int64_t j = 0; j < size; ++j) {
    const std::int64_t i = j % s.size;
    if (kind == UnitMap::random && j >= s.size) {
      if (i == 0) std::iota(order.begin(), order.end(), std::int64_t{0});
      std::swap(order[std::size_t(i)], order[std::size_t(i) + rng.below(std::uint64_t(j), std::uint64_t(s.size - i))]);
    }
    m.from.push_back(kind == UnitMap::interleaved ? j / (size / s.size)
                     : kind == UnitMap::random    ? order[std::size_t(i)]
                                                  : i);
  }
  std::vector<std::int64_t> copies(std::size_t(s.size), 0), seen(std::size_t(s.size), 0);
  for (auto i : m.from) ++copies[std::size_t(i)];
  for (auto i : m.from) m.split.push_back(split_of(seen[std::size_t(i)]++, copies[std::size_t(i)]));
  return m;
}

MODELGROW_INLINE double Net2Wider::split_of(std::int64_t k, std::int64_t c) const {
  if (splits == Splits::even) return 1.0 / double(c);
  const std::int64_t p = std::int64_t(std::bit_floor(std::uint64_t(c)));
  return k < 2 * p - c ? 1.0 / double(p) : 0.5 / double(p);
}

}  // namespace modelgrow::inline v0
