// SPDX-License-Identifier: MIT
// The definitions of low_rank_sum.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <mutex>
#include <vector>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/parallel.hpp>
#include <modelgrow/grow/low_rank_sum.hpp>

namespace modelgrow::inline v0::detail {

/// The same for elements T, added in C. Columns go in strips, whose part of A stays in the cache for all rows of a
/// task.
template <Element T, Element C>
LowRankChange low_rank_rows(const std::byte* weight, std::int64_t begin, std::int64_t end, std::int64_t columns,
                            const std::vector<C>& a, const std::vector<C>& b, double scale, std::byte* to) {
  constexpr std::int64_t strip = 1024, rows_of_task = 32;
  const std::int64_t rank = std::int64_t(a.size()) / columns;
  LowRankChange all;
  std::mutex mutex;
  parallel_for(end - begin, rows_of_task, [&](std::int64_t first, std::int64_t last) {
    LowRankChange mine;
    std::array<double, std::size_t(strip)> sum;
    for (std::int64_t j = 0; j < columns; j += strip) {
      const std::int64_t n = std::min(strip, columns - j);
      for (std::int64_t i = first; i < last; ++i) {
        std::fill_n(sum.begin(), n, 0.0);
        for (std::int64_t k = 0; k < rank; ++k) {
          const double factor = b[std::size_t((begin + i) * rank + k)];
          const C* row = a.data() + k * columns + j;
          for (std::int64_t q = 0; q < n; ++q) sum[std::size_t(q)] += factor * row[q];
        }
        const auto at = sizeof(T) * std::size_t(i * columns + j);
        for (std::int64_t q = 0; q < n; ++q) {
          T x;
          std::memcpy(&x, weight + at + sizeof(T) * std::size_t(q), sizeof x);
          const C old = element_cast<C>(x), change = C(sum[std::size_t(q)]) * C(scale);
          const T now = element_cast<T>(C(old + change));
          std::memcpy(to + at + sizeof(T) * std::size_t(q), &now, sizeof now);
          mine.change = std::max(mine.change, double(std::abs(change)));
          mine.largest = std::max(mine.largest, double(std::abs(old)));
          mine.finite &= std::isfinite(element_cast<C>(now)) || !std::isfinite(old);
        }
      }
    }
    const std::lock_guard lock(mutex);
    all.add(mine);
  });
  return all;
}

MODELGROW_INLINE LowRankChange add_low_rank(DType type, const std::byte* weight, std::int64_t begin, std::int64_t end,
                                            std::int64_t columns, const TensorView& a, const TensorView& b,
                                            double scale, std::byte* to) {
  LowRankChange found;
  with_element(type, [&]<class T>(T) {
    using C = std::conditional_t<std::same_as<T, double>, double, float>;
    found = low_rank_rows<T, C>(weight, begin, end, columns, values_of<C>(a), values_of<C>(b), scale, to);
  });
  return found;
}

}  // namespace modelgrow::inline v0::detail
