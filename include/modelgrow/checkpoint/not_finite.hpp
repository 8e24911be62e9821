// SPDX-License-Identifier: MIT
// Values that are no finite numbers: how many a tensor has, and where the first is.
#pragma once
#include <cmath>
#include <optional>
#include <string>

#include <modelgrow/checkpoint/convert.hpp>

namespace modelgrow::inline v0 {

/// What is not finite in one tensor.
struct NotFinite {
  std::string tensor;
  std::int64_t count = 0, first = 0;  // first: index in the order of the file
  double value = 0;                   // of the first: an infinity or NaN
  bool arisen = false;                // the tensor that it was made from is sound
  bool operator==(const NotFinite& other) const { return tensor == other.tensor && count == other.count; }
};

/// Nothing for a tensor that is finite or of another type than F64, F32, F16 and BF16.
inline std::optional<NotFinite> not_finite(const TensorView& t) {
  if (!is_arithmetic_float(t.dtype)) return std::nullopt;
  NotFinite found;
  found.tensor = t.name;
  detail::with_element(t.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0, n = numel(t.shape); i < n; ++i) {
      T x;
      std::memcpy(&x, t.data + sizeof(T) * std::size_t(i), sizeof x);
      const double value = element_cast<double>(x);
      if (std::isfinite(value)) continue;
      if (found.count++ == 0) found.first = i, found.value = value;
    }
  });
  return found.count > 0 ? std::optional(found) : std::nullopt;
}

/// "'blocks.1.mlp.fc1.weight' has 3 values that are not finite, the first (nan) at index 17".
inline std::string to_string(const NotFinite& n) {
  const std::string value = std::isnan(n.value) ? "nan" : n.value > 0 ? "inf" : "-inf";
  return "'" + n.tensor + "' has " + std::to_string(n.count) +
         (n.count == 1 ? " value that is not finite (" : " values that are not finite, the first (") + value +
         ") at index " + std::to_string(n.first) + (n.arisen ? ", where its source is sound" : "");
}

}  // namespace modelgrow::inline v0
