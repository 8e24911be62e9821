// SPDX-License-Identifier: MIT
// Anti-aliased shapes: how much of a pixel each covers, counted on 8 x 8 points of it in whole numbers, so that
// pictures have the same bytes on every processor.
#pragma once
#include <algorithm>
#include <cstdlib>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

/// Shapes in the order of their words.
enum class ShapeKind { circle, square, triangle, cross, ring };

/// Places and radii are measured in sixteenths of a pixel.
inline constexpr int pixel_units = 16;
/// Points of a pixel that are looked at: coverage runs from 0 to 64.
inline constexpr int full_coverage = 64;

/// Whether a point at (x, y) from the centre, y down, is inside a shape of this radius.
constexpr bool inside(ShapeKind shape, int x, int y, int radius) {
  const int across = x < 0 ? -x : x, along = y < 0 ? -y : y;
  switch (shape) {
    case ShapeKind::circle:
      return x * x + y * y <= radius * radius;
    case ShapeKind::square:
      return 8 * std::max(across, along) <= 7 * radius;
    case ShapeKind::triangle:  // equilateral but for 1 %, apex up, circumradius 9/8 of the radius
      return 16 * y <= 9 * radius && 14 * across <= 8 * y + 9 * radius;
    case ShapeKind::cross:
      return std::max(across, along) <= radius && 16 * std::min(across, along) <= 5 * radius;
    case ShapeKind::ring:
      return x * x + y * y <= radius * radius && 4 * (x * x + y * y) >= radius * radius;
  }
  return false;
}

/// Points, of 64, of the pixel in a row and column that a shape with its centre at (x, y) covers.
constexpr int coverage(ShapeKind shape, int x, int y, int radius, int row, int column) {
  constexpr int points = 8, apart = pixel_units / points;
  int covered = 0;
  for (int j = 0; j < points; ++j)
    for (int i = 0; i < points; ++i)
      covered += inside(shape, column * pixel_units + i * apart + apart / 2 - x,
                        row * pixel_units + j * apart + apart / 2 - y, radius);
  return covered;
}

/// Calls f(row, column, coverage) for every pixel of a picture that the shape touches.
template <class F>
void for_each_covered(ShapeKind shape, int x, int y, int radius, int height, int width, F&& f) {
  const int reach = radius * 9 / 8 + 1;
  const auto first = [&](int centre) { return std::max(0, (centre - reach) / pixel_units); };
  const auto end = [&](int centre, int size) { return std::min(size, (centre + reach) / pixel_units + 1); };
  for (int row = first(y); row < end(y, height); ++row)
    for (int column = first(x); column < end(x, width); ++column)
      if (const int covered = coverage(shape, x, y, radius, row, column); covered > 0) f(row, column, covered);
}

}  // namespace modelgrow::inline v0
