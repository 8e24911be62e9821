// SPDX-License-Identifier: MIT
// Views of raw memory as Eigen arrays, and how memory-bound work is cut into pieces for the threads.
#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cstdint>
#include <type_traits>
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

/// f(first row, count, partial) over pieces of at most `grain` rows that stay inside groups of `rows`, in parallel;
/// partial[width] is zeroed. Then add(group, partial) in the order of the pieces, so that sums over rows do not depend
/// on the number of threads. Width 0 asks for no sums.
template <class T, class F, class Add>
void sum_rows(std::int64_t groups, std::int64_t rows, std::int64_t grain, std::int64_t width, F&& f, Add&& add) {
  const std::int64_t pieces = (rows + grain - 1) / grain;
  std::vector<T> partial(std::size_t(groups * pieces * width), T(0));
  parallel_for(groups * pieces, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t first = p % pieces * grain;
      f(p / pieces * rows + first, std::min(grain, rows - first), partial.data() + p * width);
    }
  });
  if (width > 0)
    for (std::int64_t p = 0; p < groups * pieces; ++p) add(p / pieces, partial.data() + p * width);
}

/// sum[width] += f's partial sums over pieces of n rows.
template <class T, class F>
void sum_rows(std::int64_t n, std::int64_t grain, std::int64_t width, T* sum, F&& f) {
  sum_rows<T>(1, n, grain, width, f,
              [=](std::int64_t, const T* partial) { array(sum, width) += array(partial, width); });
}

}  // namespace cpu
}  // namespace modelgrow::inline v0
