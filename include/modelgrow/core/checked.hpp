// SPDX-License-Identifier: MIT
// Arithmetic of sizes that come from foreign texts: what does not fit in 63 bits is an error, not another number.
#pragma once
#include <cstdint>
#include <string>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0::detail {

[[noreturn]] inline void size_overflows(std::int64_t a, const char* sign, std::int64_t b) {
  throw shape_error("a size is " + std::to_string(a) + sign + std::to_string(b) +
                    ", which does not fit in 63 bits: correct the formula, or the sizes it is of");
}
inline std::int64_t checked_sum(std::int64_t a, std::int64_t b) {
  std::int64_t n = 0;
  if (__builtin_add_overflow(a, b, &n)) size_overflows(a, " + ", b);
  return n;
}
inline std::int64_t checked_difference(std::int64_t a, std::int64_t b) {
  std::int64_t n = 0;
  if (__builtin_sub_overflow(a, b, &n)) size_overflows(a, " - ", b);
  return n;
}
inline std::int64_t checked_product(std::int64_t a, std::int64_t b) {
  std::int64_t n = 0;
  if (__builtin_mul_overflow(a, b, &n)) size_overflows(a, " * ", b);
  return n;
}
/// Rounded towards zero.
inline std::int64_t checked_quotient(std::int64_t a, std::int64_t b) {
  if (b == 0) throw shape_error("a size of " + std::to_string(a) + " is divided by zero");
  if (a == INT64_MIN && b == -1) size_overflows(a, " / ", b);
  return a / b;
}

}  // namespace modelgrow::inline v0::detail
