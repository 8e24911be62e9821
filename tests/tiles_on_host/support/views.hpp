// SPDX-License-Identifier: MIT
// Tiles, and the views by which they are loaded and stored, of CUDA Tile C++ on the host.
#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

namespace cuda::tiles {

// ---- numbers known to the compiler
// ------------------------------------------------------------------------------------
template <std::size_t value>
struct constant {};
inline namespace literals {
template <char... digits>
constexpr auto operator""_ic() {
  constexpr std::size_t value = [] {
    std::size_t sum = 0;
    ((sum = 10 * sum + std::size_t(digits - '0')), ...);
    return sum;
  }();
  return constant<value>{};
}
}  // namespace literals

inline auto irange(int first, int end) { return std::views::iota(first, end); }

// ---- promises, which are checked
// ---------------------------------------------------------------------------------------
template <class T, std::size_t alignment>
T* assume_aligned(T* p, constant<alignment>) {
  if (reinterpret_cast<std::uintptr_t>(p) % alignment != 0)
    throw std::logic_error("a program of tiles assumes " + std::to_string(alignment) +
                           " bytes of alignment that are not there");
  return p;
}
template <std::size_t divisor>
int assume_divisible(int value, constant<divisor>) {
  if (value % int(divisor) != 0)
    throw std::logic_error("a program of tiles assumes that " + std::to_string(value) + " is divisible by " +
                           std::to_string(divisor));
  return value;
}

// ---- shapes --------------------------------------------------------------------------------------------------------
inline constexpr std::size_t dynamic_extent = std::size_t(-1);

/// Of one or two axes, some of whose sizes are known when the program runs.
template <class Index, std::size_t... Extents>
struct extents {
  static constexpr std::size_t rank = sizeof...(Extents);
  static_assert(rank == 1 || rank == 2);
  Index sizes[rank] = {};
  extents() = default;
  /// The sizes that are dynamic, in order.
  template <class... I>
  requires(sizeof...(I) > 0) explicit extents(I... given) {
    constexpr std::size_t known[] = {Extents...};
    static_assert(((Extents == dynamic_extent) + ...) == sizeof...(I));
    const Index all[] = {Index(given)...};
    for (std::size_t axis = 0, next = 0; axis < rank; ++axis)
      sizes[axis] = known[axis] == dynamic_extent ? all[next++] : Index(known[axis]);
  }
  /// Of a shape; one axis is a row.
  static constexpr std::size_t extent(std::size_t axis) {
    constexpr std::size_t known[] = {Extents...};
    return rank == 2 ? known[axis] : axis == 0 ? 1 : known[0];
  }
};
template <std::size_t... Extents>
requires((Extents != 0 && (Extents & (Extents - 1)) == 0) && ...)  // as those of tiles must be
    using shape = extents<std::uint32_t, Extents...>;

// ---- tiles ---------------------------------------------------------------------------------------------------------
template <class T, class Shape>
struct tile {
  using value_type = T;
  static constexpr std::size_t rows = Shape::extent(0), columns = Shape::extent(1), size = rows * columns;
  std::vector<T> at = std::vector<T>(size, T(std::numeric_limits<float>::quiet_NaN()));
  T operator()(std::size_t row, std::size_t column) const { return at[row * columns + column]; }
};
template <class T>
inline constexpr bool is_tile = false;
template <class T, class Shape>
inline constexpr bool is_tile<tile<T, Shape>> = true;

// ---- views ---------------------------------------------------------------------------------------------------------
struct layout_right {
  template <class Extents>
  struct mapping {
    Extents sizes;
    mapping(Extents e) : sizes(e) {}
    std::int64_t offset(std::int64_t row, std::int64_t column) const {
      return row * (Extents::rank == 2 ? sizes.sizes[Extents::rank - 1] : 0) + column;
    }
  };
};
template <class Strides>
struct layout_strided {
  template <class Extents>
  struct mapping {
    Extents sizes;
    Strides strides;
    std::int64_t offset(std::int64_t row, std::int64_t column) const {
      return row * strides.sizes[0] + column * strides.sizes[1];
    }
  };
};
template <class T, class Extents, class Layout = layout_right>
struct tensor_span {
  T* first;
  typename Layout::template mapping<Extents> mapping;
  std::int64_t rows() const { return Extents::rank == 2 ? mapping.sizes.sizes[0] : 1; }
  std::int64_t columns() const { return mapping.sizes.sizes[Extents::rank - 1]; }
};
template <class T, class Extents>
tensor_span(T*, Extents) -> tensor_span<T, Extents>;

/// A span cut into tiles. What lies outside of the span is loaded as zero, and not stored.
template <class Span, class Shape>
class partition_view {
 public:
  partition_view(Span span, Shape) : span_(span) {}
  template <class... I>
  auto load_masked(I... index) const {
    tile<std::remove_const_t<std::remove_pointer_t<decltype(Span::first)>>, Shape> values;
    for_each(
        [&](std::size_t i, auto* value) { values.at[i] = value ? *value : std::remove_cvref_t<decltype(*value)>{}; },
        index...);
    return values;
  }
  template <class T, class... I>
  void store_masked(const tile<T, Shape>& values, I... index) const {
    for_each(
        [&](std::size_t i, T* value) {
          if (value) *value = values.at[i];
        },
        index...);
  }

 private:
  template <class F>
  void for_each(F f, int column) const {
    for_each(f, 0, column);
  }
  /// f(number in the tile, where that value is or null).
  template <class F>
  void for_each(F f, int row, int column) const {
    constexpr auto rows = std::int64_t(Shape::extent(0)), columns = std::int64_t(Shape::extent(1));
    if (row < 0 || row * rows >= span_.rows() || column < 0 || column * columns >= span_.columns())
      throw std::logic_error("a program of tiles uses a tile of which nothing is inside of its view, which it may not");
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        const std::int64_t y = row * rows + r, x = column * columns + c;
        const bool inside = y < span_.rows() && x < span_.columns();
        f(std::size_t(r * columns + c), inside ? span_.first + span_.mapping.offset(y, x) : nullptr);
      }
  }
  Span span_;
};

}  // namespace cuda::tiles
