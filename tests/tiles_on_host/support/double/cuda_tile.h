// SPDX-License-Identifier: MIT
// CUDA Tile C++ on the host, as far as the programs of modelgrow use it: a tile is an array, and what a program promises
// about addresses and sizes is checked. A tile that nothing was assigned to holds NaN.
#pragma once
#include "tests/tiles_on_host/support/views.hpp"

#define __tile__
#define __tile_global__

namespace cuda::tiles {

// ---- how results are rounded --------------------------------------------------------------------------------------
enum class rounding_mode { round_ties_to_even };
enum class subnormals_rounding_mode { round_subnormals_to_zero };
template <rounding_mode>
struct rounding_mode_constant {};
template <subnormals_rounding_mode>
struct subnormals_rounding_mode_constant {};
inline float flushed(float x) { return std::fabs(x) < std::numeric_limits<float>::min() ? 0.0f : x; }

// ---- tiles of one value, or of one value each -------------------------------------------------------------------------
template <class Tile>
Tile full(typename Tile::value_type value) {
  Tile tile;
  tile.at.assign(Tile::size, value);
  return tile;
}
template <class Tile>
Tile iota() {
  Tile tile;
  for (std::size_t i = 0; i < Tile::size; ++i) tile.at[i] = typename Tile::value_type(i);
  return tile;
}
template <class To, class T, class S>
tile<To, S> element_cast(const tile<T, S>& from) {
  tile<To, S> to;
  for (std::size_t i = 0; i < to.size; ++i) to.at[i] = To(float(from.at[i]));
  return to;
}

// ---- element by element, with axes of 1 stretched ------------------------------------------------------------------
template <class T, class S, std::size_t... To>
tile<T, shape<To...>> broadcast(const tile<T, S>& from, shape<To...>) {
  tile<T, shape<To...>> to;
  constexpr auto rows = decltype(to)::rows, columns = decltype(to)::columns;
  static_assert((S::extent(0) == rows || S::extent(0) == 1) && (S::extent(1) == columns || S::extent(1) == 1));
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c)
      to.at[r * columns + c] = from(S::extent(0) == 1 ? 0 : r, S::extent(1) == 1 ? 0 : c);
  return to;
}
template <class A, class B>
using both = shape<(A::extent(0) > B::extent(0) ? A::extent(0) : B::extent(0)),
                   (A::extent(1) > B::extent(1) ? A::extent(1) : B::extent(1))>;
template <class F, class T, class A, class B>
auto each(F f, const tile<T, A>& a, const tile<T, B>& b) {
  const auto x = broadcast(a, both<A, B>{}), y = broadcast(b, both<A, B>{});
  tile<decltype(f(x.at[0], y.at[0])), both<A, B>> result;
  for (std::size_t i = 0; i < result.size; ++i) result.at[i] = f(x.at[i], y.at[i]);
  return result;
}
template <class F, class T, class S>
auto each(F f, const tile<T, S>& a, T b) {
  return each(f, a, full<tile<T, shape<1, 1>>>(b));
}
template <class F, class T, class S>
auto each(F f, T a, const tile<T, S>& b) {
  return each(f, full<tile<T, shape<1, 1>>>(a), b);
}
template <class A, class B>
concept a_tile_among = is_tile<A> || is_tile<B>;
template <class A, class B>
  requires a_tile_among<A, B>
auto operator+(const A& a, const B& b) {
  return each(std::plus<>{}, a, b);
}
template <class A, class B>
  requires a_tile_among<A, B>
auto operator-(const A& a, const B& b) {
  return each(std::minus<>{}, a, b);
}
template <class A, class B>
  requires a_tile_among<A, B>
auto operator*(const A& a, const B& b) {
  return each(std::multiplies<>{}, a, b);
}
template <class A, class B>
  requires a_tile_among<A, B>
auto operator/(const A& a, const B& b) {
  return each(std::divides<>{}, a, b);
}
template <class A, class B>
  requires a_tile_among<A, B>
auto operator<(const A& a, const B& b) {
  return each(std::less<>{}, a, b);
}
template <class T, class S>
auto operator-(const tile<T, S>& a) {
  return each(std::multiplies<>{}, a, T(-1));
}
template <class A, class B>
auto max(const A& a, const B& b) {
  return each([](auto x, auto y) { return x > y ? x : y; }, a, b);
}
template <class S, class T>
tile<T, S> select(const tile<bool, S>& condition, const tile<T, S>& a, const tile<T, S>& b) {
  tile<T, S> result;
  for (std::size_t i = 0; i < result.size; ++i) result.at[i] = condition.at[i] ? a.at[i] : b.at[i];
  return result;
}
template <class S>
tile<float, S> fma(const tile<float, S>& a, float b, const tile<float, S>& c,
                   rounding_mode_constant<rounding_mode::round_ties_to_even>,
                   subnormals_rounding_mode_constant<subnormals_rounding_mode::round_subnormals_to_zero>) {
  tile<float, S> result;
  for (std::size_t i = 0; i < result.size; ++i) result.at[i] = flushed(std::fma(a.at[i], b, c.at[i]));
  return result;
}
template <class S>
tile<float, S> exp2(tile<float, S> x,
                    subnormals_rounding_mode_constant<subnormals_rounding_mode::round_subnormals_to_zero>) {
  for (auto& value : x.at) value = flushed(std::exp2(value));
  return x;
}
template <class S>
tile<float, S> log2(tile<float, S> x) {
  for (auto& value : x.at) value = std::log2(value);
  return x;
}

// ---- along axes ----------------------------------------------------------------------------------------------------
template <class F, class S>
tile<float, shape<S::extent(0), 1>> along_rows(F f, const tile<float, S>& x) {
  tile<float, shape<S::extent(0), 1>> result;
  for (std::size_t r = 0; r < S::extent(0); ++r) {
    result.at[r] = x(r, 0);
    for (std::size_t c = 1; c < S::extent(1); ++c) result.at[r] = f(result.at[r], x(r, c));
  }
  return result;
}
template <int axis, class S>
auto sum(const tile<float, S>& x) {
  static_assert(axis == 1);
  return along_rows(std::plus<>{}, x);
}
template <int axis, class S>
auto reduce_max(const tile<float, S>& x) {
  static_assert(axis == 1);
  return along_rows([](float a, float b) { return a > b ? a : b; }, x);
}
template <class T, class S>
auto transpose(const tile<T, S>& x) {
  tile<T, shape<S::extent(1), S::extent(0)>> result;
  for (std::size_t r = 0; r < S::extent(0); ++r)
    for (std::size_t c = 0; c < S::extent(1); ++c) result.at[c * S::extent(0) + r] = x(r, c);
  return result;
}
template <class T, class S, std::size_t... To>
tile<T, shape<To...>> reshape(const tile<T, S>& x, shape<To...>) {
  static_assert(tile<T, shape<To...>>::size == tile<T, S>::size);
  tile<T, shape<To...>> result;
  result.at = x.at;
  return result;
}
/// sums + a x b. Extents are such that matrix instructions take them.
template <class T, class A, class B, class S>
tile<float, S> mma(const tile<T, A>& a, const tile<T, B>& b, tile<float, S> sums) {
  constexpr std::size_t rows = A::extent(0), inner = A::extent(1), columns = B::extent(1);
  static_assert(B::extent(0) == inner && S::extent(0) == rows && S::extent(1) == columns && inner % 16 == 0);
  const auto left = element_cast<float>(a), right = element_cast<float>(b);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t k = 0; k < inner; ++k)
      for (std::size_t c = 0; c < columns; ++c) sums.at[r * columns + c] += left.at[r * inner + k] * right.at[k * columns + c];
  return sums;
}

}  // namespace cuda::tiles
