// SPDX-License-Identifier: MIT
// The definitions of schema.hpp.
#pragma once
#include <algorithm>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/schema.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE Sizes Schema::sizes() const {
  Sizes all = constants;
  for (const auto& s : spaces) all[s.space.name] = s.space.size;
  for (const auto& s : stacks) all[s.size_name()] = s.count;
  return all;
}

MODELGROW_INLINE const ParamSpec* Schema::find(std::string_view name) const {
  const auto it = std::find_if(parameters.begin(), parameters.end(), [&](const auto& p) { return p.name == name; });
  return it == parameters.end() ? nullptr : &*it;
}

MODELGROW_INLINE const SpaceSpec& Schema::space(std::string_view name) const {
  for (const auto& s : spaces)
    if (s.space.name == name) return s;
  std::string known;
  for (const auto& s : spaces)
    known += (known.empty() ? "" : ", ") + s.space.name + " (" + std::to_string(s.space.size) + ")";
  throw plan_error("family '" + family + "' has no space named '" + std::string(name) + "'; its spaces are: " + known);
}

MODELGROW_INLINE const StackSpec& Schema::stack(std::string_view name) const {
  for (const auto& s : stacks)
    if (s.name == name || s.size_name() == name) return s;
  std::string known;
  for (const auto& s : stacks) known += (known.empty() ? "" : ", ") + s.name;
  throw plan_error("family '" + family + "' has no stack named '" + std::string(name) + "'; its stacks are: " + known);
}

MODELGROW_INLINE const PortSpec& Schema::port(std::string_view name) const {
  std::string known;
  for (const auto& p : ports) {
    if (p.name == name) return p;
    known += (known.empty() ? "" : ", ") + p.name;
  }
  throw plan_error("family '" + family + "' has no port '" + std::string(name) +
                   "' for such a layer; it has: " + (known.empty() ? "none" : known));
}

MODELGROW_INLINE Port Schema::resolved_port(std::string_view name) const {
  const PortSpec& spec = port(name);
  const Sizes known = sizes();
  std::set<std::string, std::less<>> growing;
  for (const auto& s : spaces) growing.insert(s.space.name);
  const auto extent = [&](const std::string& formula) {
    const auto e = Expression::parse(formula, "port '" + spec.name + "'");
    return e.value(known) ? e.extent(known, growing, "port '" + spec.name + "'") : Extent(0);
  };
  const auto of = [&](const std::string& formula) {
    return Expression::parse(formula, "port '" + spec.name + "'").value(known).value_or(0);
  };
  return {.name = spec.name,
          .stream = extent(spec.stream),
          .heads = {.name = growing.contains(spec.heads) ? spec.heads : "", .size = of(spec.heads)},
          .head_dim = of(spec.head_dim),
          .ffn = extent(spec.ffn)};
}

MODELGROW_INLINE std::int64_t Schema::trained_elements() const {
  std::int64_t n = 0;
  for (const auto& p : parameters)
    if (is_trained(p.info.purpose)) n += numel(p.shape());
  return n;
}

}  // namespace modelgrow::inline v0
