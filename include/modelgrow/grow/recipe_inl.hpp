// SPDX-License-Identifier: MIT
// The definitions of recipe.hpp.
#pragma once
#include <cmath>
#include <numeric>
#include <set>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/recipe.hpp>
#include <modelgrow/grow/silent.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE bool Recipe::zeros(Of of) const {
  return closed || (of != Of::weights && fresh) || (source.empty() && init.kind == Init::Kind::zeros);
}

namespace detail {

MODELGROW_INLINE AxisMap identity_map(std::int64_t n) {
  AxisMap m{.from = std::vector<std::int64_t>(std::size_t(n)),
            .weight = std::vector<double>(std::size_t(n), 1.0),
            .gradient = std::vector<double>(std::size_t(n), 1.0)};
  std::iota(m.from.begin(), m.from.end(), std::int64_t{0});
  return m;
}

MODELGROW_INLINE AxisMap compose(const AxisMap& a, const AxisMap& b) {
  if (a.from.empty()) return b;
  if (b.from.empty()) return a;
  AxisMap r = b;
  for (std::size_t j = 0; j < r.from.size(); ++j) {
    const auto i = std::size_t(b.from[j]);
    r.from[j] = a.from[i];
    r.weight[j] *= a.weight[i];
    r.gradient[j] *= a.gradient[i];
  }
  if (b.blend.empty() && !a.blend.empty()) {
    for (const auto i : b.from) r.blend.push_back(a.blend[std::size_t(i)]);
  } else {
    for (auto& parts : r.blend) {
      std::vector<Blend> whole;
      for (const auto& p : parts) {
        const auto i = std::size_t(p.unit);
        for (const auto& q : a.blend.empty() ? std::vector{Blend{.unit = a.from[i]}} : a.blend[i])
          whole.push_back(Blend{.unit = q.unit, .weight = p.weight * q.weight});
      }
      parts = std::move(whole);
    }
  }
  if (!a.scale.empty()) {
    r.scale.resize(r.from.size(), 1.0);
    r.fresh.resize(r.from.size(), false);
    for (std::size_t j = 0; j < r.from.size(); ++j) {
      const auto i = std::size_t(b.from[j]);
      r.scale[j] *= a.scale[i];
      r.fresh[j] = r.fresh[j] || a.fresh[i];
    }
  }
  return r;
}

MODELGROW_INLINE void resize_space(Axis& axis, std::string_view space, std::int64_t size) {
  for (auto& term : axis.extent.terms())
    for (auto& factor : term)
      if (factor.name == space) factor.size = size;
}

MODELGROW_INLINE std::vector<Stage> stages_of(const Recipe& recipe) {
  std::vector<Stage> stages;
  Axes axes = recipe.source_axes;
  for (const auto& touch : recipe.touches) {
    Stage& stage = stages.emplace_back(
        Stage{.axes = std::vector<AxisMap>(axes.size()), .before = shape_of(axes), .noise = touch.remap->noise});
    for (const auto& map : touch.remap->maps)
      for (std::size_t a = 0; a < axes.size(); ++a) {
        if (!axes[a].extent.mentions(map.space)) continue;
        AxisMap lifted = lift(axes[a], map);
        const Axis before = axes[a];
        resize_space(axes[a], map.space, map.new_size());
        if (any_silent(map)) silence(lifted, recipe.silencing, before, axes[a], a == 0, map);
        stage.axes[a] = compose(stage.axes[a], lifted);
      }
  }
  return stages;
}

MODELGROW_INLINE void mark_copies(AxisMap& total) {
  if (total.from.empty() || !total.blend.empty()) return;
  total.scale.resize(total.from.size(), 1.0);
  total.fresh.resize(total.from.size(), false);
  std::set<std::int64_t> seen;
  for (std::size_t j = 0; j < total.from.size(); ++j)
    if (!total.fresh[j]) total.fresh[j] = !seen.insert(total.from[j]).second;
}

MODELGROW_INLINE AxisMap total_map(const std::vector<Stage>& stages, std::size_t axis) {
  AxisMap total;
  for (const auto& stage : stages) total = compose(total, stage.axes[axis]);
  return total;
}

}  // namespace detail

MODELGROW_INLINE Recipe mean_over(Recipe r, std::size_t axis) {
  const AxisMap map = detail::total_map(detail::stages_of(r), axis);
  double squares = 0;
  for (std::size_t j = 0; j < map.from.size(); ++j) {
    const double scale = map.scale.empty() || map.scale[j] == 0 ? 1.0 : map.scale[j];
    squares += map.gradient[j] / scale * (map.gradient[j] / scale);
  }
  if (!map.from.empty()) r.share *= std::sqrt(squares / double(map.from.size()));
  r.source_axes[axis] = fixed(1);
  r.shape[int(axis)] = 1;
  return r;
}

MODELGROW_INLINE std::string to_string(const Recipe& r) {
  if (r.zeros(Of::weights)) return "zeros";
  std::string text = r.name == r.source ? "kept" : "copy of " + r.source;
  if (r.source.empty()) {
    constexpr std::string_view kinds[] = {"zeros", "ones", "normal", "xavier"};
    text = kinds[static_cast<int>(r.init.kind)];
  }
  if (r.filling) {
    constexpr std::string_view parts[] = {"W A", "b + W c", "nearest states"};
    text +=
        "; filled: " + std::string(parts[static_cast<int>(r.filling->part)]) + " of map " + checksum(*r.filling->map);
  }
  for (const auto& touch : r.touches)
    for (const auto& map : touch.remap->maps) {
      std::string verbs;
      bool split = false;
      const bool silent = detail::any_silent(map), blended = !map.blend.empty();
      for (std::size_t a = 0; a < r.source_axes.size(); ++a)
        if (r.source_axes[a].extent.mentions(map.space)) {
          const bool in_axis = r.source_axes[a].role == Role::in;
          split |= in_axis;
          verbs += std::string(silent    ? " silent units on"
                               : blended ? " interpolate"
                               : in_axis ? " split"
                                         : " copy") +
                   " axis " + std::to_string(a);
        }
      if (!verbs.empty())
        text += "; " + map.space + ":" + verbs + (split && touch.remap->noise.on() ? " with noise" : "");
    }
  if (!r.donor.empty()) text += "; new rows of the next block";
  if (r.share != 1) text += "; one of " + std::to_string(std::llround(1 / r.share)) + " experts";
  if (!r.gates.empty()) text += "; gates are zero";
  return text;
}

}  // namespace modelgrow::inline v0
