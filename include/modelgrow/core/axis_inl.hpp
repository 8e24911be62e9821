// SPDX-License-Identifier: MIT
// The definitions of axis.hpp.
#pragma once
#include <modelgrow/core/axis.hpp>
#include <modelgrow/core/checked.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE std::int64_t Extent::size() const {
  std::int64_t n = 0;
  for (const auto& t : terms_) n = detail::checked_sum(n, size_of(t));
  return n;
}

MODELGROW_INLINE bool Extent::mentions(std::string_view space) const {
  for (const auto& t : terms_)
    for (const auto& f : t)
      if (f.name == space) return true;
  return false;
}

MODELGROW_INLINE std::int64_t Extent::size_of(const Product& product) {
  std::int64_t n = 1;
  for (const auto& f : product) n = detail::checked_product(n, f.size);
  return n;
}

MODELGROW_INLINE std::string to_string(const Extent& extent) {
  std::string text;
  for (const auto& term : extent.terms()) {
    text += text.empty() ? "" : " + ";
    for (std::size_t i = 0; i < term.size(); ++i)
      text += (i ? "*" : "") + (term[i].name.empty() ? std::to_string(term[i].size) : term[i].name);
  }
  return text;
}

MODELGROW_INLINE std::vector<std::int64_t> chunks_of(const Extent& extent) {
  constexpr std::int64_t most = 1 << 20;
  std::vector<std::int64_t> chunks;
  for (const auto& term : extent.terms()) {
    std::int64_t times = 1, size = 1;
    bool leading = true;
    for (const auto& factor : term) {
      leading = leading && factor.name.empty();
      auto& n = leading ? times : size;
      n = detail::checked_product(n, factor.size);
    }
    if (leading) std::swap(times, size);  // a number is one chunk
    if (times < 0 || times > most - std::int64_t(chunks.size()))
      throw shape_error("the axis " + to_string(extent) + " has more than " + std::to_string(most) + " chunks");
    chunks.insert(chunks.end(), std::size_t(times), size);
  }
  return chunks;
}

MODELGROW_INLINE Shape shape_of(const Axes& axes) {
  Shape s;
  for (const auto& a : axes) s.push_back(a.size());
  return s;
}

MODELGROW_INLINE AxisMap lift(const Axis& axis, const SpaceMap& map) {
  AxisMap all;
  const bool blended = !map.blend.empty();
  std::int64_t base = 0;
  for (const auto& term : axis.extent.terms()) {
    AxisMap done{.from = {0}, .weight = {1.0}, .gradient = {1.0}};
    if (blended) done.blend = {{Blend{}}};
    for (const auto& factor : term) {
      const bool hit = factor.name == map.space;
      if (hit && factor.size != map.old_size)
        throw shape_error("space '" + map.space + "' has size " + std::to_string(factor.size) + " in axis " +
                          to_string(axis.extent) + " but the map starts from " + std::to_string(map.old_size));
      const std::int64_t size = hit ? map.new_size() : factor.size;
      AxisMap next;
      next.from.reserve(done.from.size() * std::size_t(size));
      for (std::size_t p = 0; p < done.from.size(); ++p)
        for (std::int64_t i = 0; i < size; ++i) {
          const double split = hit ? map.split[std::size_t(i)] : 1.0;
          next.from.push_back(done.from[p] * factor.size + (hit ? map.from[std::size_t(i)] : i));
          next.weight.push_back(done.weight[p] * (axis.role == Role::in ? split : 1.0));
          const double share = axis.role == Role::in ? (split > 0 ? 1.0 : 0.0) : split;
          next.gradient.push_back(done.gradient[p] * share);
          if (!blended) continue;
          auto& parts = next.blend.emplace_back();
          for (const auto& outer : done.blend[p])
            for (const auto& inner : hit ? map.blend[std::size_t(i)] : std::vector{Blend{.unit = i}})
              parts.push_back(
                  Blend{.unit = outer.unit * factor.size + inner.unit, .weight = outer.weight * inner.weight});
        }
      done = std::move(next);
    }
    for (auto i : done.from) all.from.push_back(base + i);
    for (auto& parts : done.blend) {
      for (auto& p : parts) p.unit += base;
      all.blend.push_back(std::move(parts));
    }
    all.weight.insert(all.weight.end(), done.weight.begin(), done.weight.end());
    all.gradient.insert(all.gradient.end(), done.gradient.begin(), done.gradient.end());
    base += Extent::size_of(term);
  }
  return all;
}

}  // namespace modelgrow::inline v0
