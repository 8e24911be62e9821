// SPDX-License-Identifier: MIT
// An affine map between the states of two text encoders, and what it is recognised by.
#pragma once
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/rng.hpp>

namespace modelgrow::inline v0 {

/// y = weight x + bias with weight [to, from].
struct AffineMap {
  std::int64_t from = 0, to = 0;
  std::vector<double> weight, bias;
  std::optional<double> r_squared = {};  // the share of the variance of y that it explains, where that was measured
  bool operator==(const AffineMap&) const = default;
};

/// 16 hexadecimal digits over the sizes and the numbers of a map, for finding damage, not for security.
inline std::string checksum(const AffineMap& map) {
  const auto bytes = [](const std::vector<double>& v) {
    return hash_name({reinterpret_cast<const char*>(v.data()), v.size() * sizeof(double)});
  };
  const std::uint64_t parts[] = {std::uint64_t(map.from), std::uint64_t(map.to), bytes(map.weight), bytes(map.bias)};
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx",
                static_cast<unsigned long long>(hash_name({reinterpret_cast<const char*>(parts), sizeof parts})));
  return digits;
}

}  // namespace modelgrow::inline v0
