// SPDX-License-Identifier: MIT
// A kernel run by the one unit that is optimised as the library is: the linker keeps one copy of its functions for all,
// and that is the one to test.
#pragma once
#include <vector>

#include <modelgrow/core/dtype.hpp>
#include <modelgrow/grow/recipe.hpp>

namespace tiny {

/// Elements [begin, end) of a grown tensor, made from `source` in pieces of this length.
template <modelgrow::Element T>
std::vector<T> run_kernel(const modelgrow::Recipe& recipe, modelgrow::Of of, const T* source, std::int64_t begin,
                          std::int64_t end, std::int64_t piece = INT64_MAX);

}  // namespace tiny
