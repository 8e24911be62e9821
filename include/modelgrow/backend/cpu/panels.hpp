// SPDX-License-Identifier: MIT
// A matrix product is computed in panels of columns of the result, one to three vectors wide.
#pragma once
#include <algorithm>
#include <vector>

#include <modelgrow/backend/cpu/tile.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

/// Columns [first, first + columns) of the result; the last vector of the last panel may be partly filled.
struct Panel {
  std::int64_t first, vectors, columns, width;  // width is vectors * lanes
};

/// The panels of a row of `columns` values.
template <class T>
std::vector<Panel> panels_of(std::int64_t columns) {
  std::vector<Panel> panels;
  for (std::int64_t j = 0; j < columns;) {
    const std::int64_t vectors = panel_vectors((padded<T>(columns) - j) / lanes<T>);
    const std::int64_t width = vectors * lanes<T>;
    panels.push_back({j, vectors, std::min(width, columns - j), width});
    j += width;
  }
  return panels;
}

/// c[rows, panel.columns] = start + a b for a packed b[depth, panel.width]; start.data may be null (zeros), c itself,
/// or one row of panel.width values (stride 0).
template <class T>
void multiply_columns(const Panel& panel, std::int64_t rows, std::int64_t depth, Left<T> a, const T* b,
                      Rows<const T> start, Rows<T> c) {
  const std::int64_t n = panel.width;
  if (panel.columns == n) {
    multiply_panel(panel.vectors, rows, depth, a, {b, n}, start, c);
    return;
  }
  // The last panel would write past the row: it is computed beside C, a few rows at a time.
  alignas(64) T beside[tile_rows * tile_vectors * lanes<T>];
  for (std::int64_t i = 0; i < rows; i += tile_rows) {
    const std::int64_t m = std::min<std::int64_t>(tile_rows, rows - i);
    Rows<const T> from = start;
    if (start.data && start.stride > 0) {
      for (std::int64_t r = 0; r < m; ++r) {
        std::copy_n(start.data + (i + r) * start.stride, panel.columns, beside + r * n);
        std::fill(beside + r * n + panel.columns, beside + (r + 1) * n, T(0));
      }
      from = {beside, n};
    }
    multiply_panel(panel.vectors, m, depth, a.from(i, 0), {b, n}, from, {beside, n});
    for (std::int64_t r = 0; r < m; ++r) std::copy_n(beside + r * n, panel.columns, c.data + (i + r) * c.stride);
  }
}

}  // namespace cpu
}  // namespace modelgrow::inline v0
