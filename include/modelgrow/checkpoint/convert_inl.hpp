// SPDX-License-Identifier: MIT
// The definitions of convert.hpp.
#pragma once
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void convert(DType from_type, const std::byte* from, DType to_type, std::byte* to, std::int64_t n) {
  constexpr std::int64_t grain = std::int64_t{1} << 16;
  if (from_type == to_type) {
    if (n > 0) std::memcpy(to, from, (std::size_t(n) * std::size_t(bits(from_type)) + 7) / 8);
    return;
  }
  detail::with_element(from_type, [&]<class From>(From) {
    detail::with_element(to_type, [&]<class To>(To) {
      parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
        detail::convert_run<From, To>(from + std::size_t(begin) * sizeof(From), to + std::size_t(begin) * sizeof(To),
                                      end - begin);
      });
    });
  });
}

}  // namespace modelgrow::inline v0
