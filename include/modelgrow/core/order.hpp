// SPDX-License-Identifier: MIT
// Sorting by index: one instantiation of std::sort for every list, instead of one that moves the elements of each.
#pragma once
#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

namespace modelgrow::inline v0::detail {

/// The numbers 0 .. n-1 in the order of `before`; equal ones keep theirs.
inline std::vector<std::size_t> sorted_indices(std::size_t n,
                                               const std::function<bool(std::size_t, std::size_t)>& before) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t i, std::size_t j) { return before(i, j) || (i < j && !before(j, i)); });
  return order;
}

/// The elements of a list in another order.
template <class T>
std::vector<T> reordered(std::vector<T> list, const std::vector<std::size_t>& order) {
  std::vector<T> result;
  result.reserve(order.size());
  for (auto i : order) result.push_back(std::move(list[i]));
  return result;
}

}  // namespace modelgrow::inline v0::detail
