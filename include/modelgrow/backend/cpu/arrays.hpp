// SPDX-License-Identifier: MIT
// Views of raw memory as Eigen arrays, and how memory-bound work is cut into pieces for the threads.
#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cstdint>
#include <vector>

#include <modelgrow/core/parallel.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

template <class T>
using ArrayView = Eigen::Map<
    std::conditional_t<std::is_const_v<T>, const Eigen::Array<std::remove_const_t<T>, -1, 1>, Eigen::Array<T, -1, 1>>>;
/// n values at p as an Eigen array.
template <class T>
ArrayView<T> array(T* p, std::int64_t n) {
  return ArrayView<T>(p, n);
}

/// Values that one piece of memory-bound work should have: enough to hide the cost of handing it out.
inline constexpr std::int64_t piece = 1 << 14;

/// Rows of `width` values that make up one such piece.
inline std::int64_t rows_per_piece(std::int64_t width) {
  return std::max<std::int64_t>(1, piece / std::max<std::int64_t>(1, width));
}

/// f(first, count) over pieces of [0, n), in parallel.
template <class F>
void for_pieces(std::int64_t n, F&& f) {
  parallel_for(n, piece, [&](std::int64_t begin, std::int64_t end) { f(begin, end - begin); });
}

/// The sum of f(first, count) over pieces of [0, n), added up in the order of the pieces.
template <class F>
double sum_over_pieces(std::int64_t n, F&& f) {
  std::vector<double> sums(std::size_t((n + piece - 1) / piece));
  for_pieces(n, [&](std::int64_t first, std::int64_t count) { sums[std::size_t(first / piece)] = f(first, count); });
  double total = 0;
  for (double s : sums) total += s;
  return total;
}

/// Adds to sum[width] what f(first, count, partial) leaves in zeroed partial[width] for pieces of `grain` of n rows;
/// the pieces are added in order, so the result does not depend on the number of threads.
template <class T, class F>
void sum_rows(std::int64_t n, std::int64_t grain, std::int64_t width, T* sum, F&& f) {
  const std::int64_t pieces = (n + grain - 1) / grain;
  std::vector<T> partial(std::size_t(pieces * width), T(0));
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    f(begin, end - begin, partial.data() + begin / grain * width);
  });
  for (std::int64_t p = 0; p < pieces; ++p) array(sum, width) += array(partial.data() + p * width, width);
}

}  // namespace cpu
}  // namespace modelgrow::inline v0
