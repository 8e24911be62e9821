// SPDX-License-Identifier: MIT
// Values that are no finite numbers: how many a tensor has, and where the first is.
#pragma once
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>

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

namespace detail {

/// An unsigned integer as wide as an element.
template <Element T>
using BitsOf =
    std::conditional_t<sizeof(T) == 8, std::uint64_t, std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>>;

/// How many of n elements are infinities or no numbers. Without branches, so that it vectorises.
template <Element T>
std::int64_t count_not_finite(const std::byte* data, std::int64_t n) {
  using Bits = BitsOf<T>;
  const T infinity = element_cast<T>(INFINITY);
  Bits exponent;
  std::memcpy(&exponent, &infinity, sizeof exponent);
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    Bits x;
    std::memcpy(&x, data + sizeof(T) * std::size_t(i), sizeof x);
    count += (x & exponent) == exponent;
  }
  return count;
}

}  // namespace detail

/// Adds what is not finite in some elements of a tensor, whose first has index `first`; nothing for types other than
/// F64, F32, F16 and BF16.
inline void add_not_finite(NotFinite& found, DType dtype, std::span<const std::byte> bytes, std::int64_t first) {
  if (!is_arithmetic_float(dtype)) return;
  detail::with_element(dtype, [&]<class T>(T) {
    const auto n = std::int64_t(bytes.size() / sizeof(T));
    const std::int64_t count = detail::count_not_finite<T>(bytes.data(), n);
    if (count == 0) return;
    std::int64_t at = 0;
    const auto value = [&] {
      T x;
      std::memcpy(&x, bytes.data() + sizeof(T) * std::size_t(at), sizeof x);
      return element_cast<double>(x);
    };
    while (std::isfinite(value())) ++at;
    if (found.count == 0 || first + at < found.first) found.first = first + at, found.value = value();
    found.count += count;
  });
}

/// Nothing for a tensor that is finite or of another type than F64, F32, F16 and BF16.
inline std::optional<NotFinite> not_finite(const TensorView& t) {
  NotFinite found;
  found.tensor = t.name;
  add_not_finite(found, t.dtype, t.span(), 0);
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
