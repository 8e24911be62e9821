// SPDX-License-Identifier: MIT
// Operators that grow one kind of space find theirs by the rules of the family, and say which there are.
#pragma once
#include <string>

#include <modelgrow/core/schema.hpp>

namespace modelgrow::inline v0::detail {

/// The space `name` of a schema, which its family says is of this kind. Throws plan_error that lists the spaces of the
/// kind, or says `none` where the family has none: "GrowChannels: 'x' of family 'f' is no ..; there are 'a', 'b'".
inline const SpaceSpec& require_kind(const Schema& schema, Copies kind, const std::string& name,
                                     const std::string& operation, const std::string& otherwise,
                                     const std::string& none) {
  std::string all;
  for (const auto& s : schema.spaces) {
    if (s.rules.copies != kind) continue;
    if (s.space.name == name) return s;
    all += (all.empty() ? "there are '" : ", '") + s.space.name + "'";
  }
  throw plan_error(operation + ": '" + name + "' of family '" + schema.family + "' " + otherwise + "; " +
                   (all.empty() ? none : all));
}

}  // namespace modelgrow::inline v0::detail
