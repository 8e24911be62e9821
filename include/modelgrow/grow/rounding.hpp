// SPDX-License-Identifier: MIT
// Silent units scale gains and queries of the old ones by a root, which only powers of two leave as exact as they were.
#pragma once
#include <cmath>
#include <string>

#include <modelgrow/core/schema.hpp>
#include <modelgrow/grow/silent.hpp>

namespace modelgrow::inline v0::detail {

/// The type of fewer bits than f32 to which scaled weights are rounded when a space grows by silent units, for a
/// certificate: "BF16"; empty when there are none, or the scale is a power of two.
inline std::string rounded_to(const SpaceMap& m, const Schema& before) {
  const auto inexact = [](double scale) {
    int exponent;
    return std::frexp(scale, &exponent) != 0.5;
  };
  for (const auto& p : before.parameters) {
    if (!is_arithmetic_float(p.dtype) || bits(p.dtype) >= 32) continue;
    for (std::size_t i = 0; i < p.info.axes.size(); ++i) {
      const Axis& axis = p.info.axes[i];
      if (!axis.extent.mentions(m.space)) continue;
      for (std::size_t chunk = 0; chunk < chunks_of(axis.extent).size(); ++chunk)
        if (inexact(silent_scale(p.info.silencing, axis.role, i == 0, std::int64_t(chunk), m).old))
          return std::string(name(p.dtype));
    }
  }
  return {};
}

}  // namespace modelgrow::inline v0::detail
