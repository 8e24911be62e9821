// SPDX-License-Identifier: MIT
// Sizes that nobody means: a slip in a number is refused before maps of that length are made.
#pragma once
#include <cstdint>
#include <string>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0::detail {

/// No space or stack of a model comes near this size.
constexpr std::int64_t largest_size = std::int64_t{1} << 24;

/// Throws plan_error for a new size of a space, or a number of blocks, beyond `largest`.
inline void require_feasible(const std::string& operation, const std::string& what, std::int64_t to,
                             std::int64_t largest = largest_size) {
  if (to > largest)
    throw plan_error(operation + ": " + what + " of " + std::to_string(to) + "; expected at most " +
                     std::to_string(largest) + ", which no model comes near: look at the number");
}

}  // namespace modelgrow::inline v0::detail
