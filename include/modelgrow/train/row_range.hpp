// SPDX-License-Identifier: MIT
// Rows of a parameter, as ranks share them: a parameter is a matrix whose rows are axis 0 and whose columns are all
// other axes.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {

/// A tensor as the optimizer sees it: rows are axis 0, all other axes are columns.
struct MatrixSize {
  std::int64_t rows = 0, columns = 0;
};
inline MatrixSize matrix_size(const Shape& shape) {
  const std::int64_t rows = shape.rank() > 0 ? shape[0] : 1;
  return {.rows = rows, .columns = rows > 0 ? numel(shape) / rows : 0};
}

/// Rows [first, last).
struct RowRange {
  std::int64_t first = 0, last = 0;
  std::int64_t size() const { return last - first; }
  bool operator==(const RowRange&) const = default;
};

/// By path, the rows of which this process has moments and averages, perhaps none. Of a parameter that is not in here
/// it has all, as every other rank has.
using RowsByPath = std::map<std::string, RowRange, std::less<>>;
inline std::optional<RowRange> held_rows(const RowsByPath& rows, std::string_view path) {
  const auto found = rows.find(path);
  return found == rows.end() ? std::nullopt : std::optional(found->second);
}

/// These rows of a tensor (elements, for a tensor of one axis), the same memory; the tensor itself when they are all.
template <class U, Device D>
Tensor<U, D> only_rows(const Tensor<U, D>& whole, RowRange rows) {
  Shape shape = whole.shape();
  if (shape.rank() == 0 || rows.size() == shape[0]) return whole;
  const std::int64_t columns = matrix_size(shape).columns;
  shape[0] = rows.size();
  return whole.view(rows.first * columns, shape);
}

/// The factors of some rows, from those of all; one value counts for all rows.
inline std::vector<double> only_rows(const std::vector<double>& factors, RowRange rows) {
  if (factors.size() == 1) return factors;
  const auto first = factors.begin() + rows.first;
  if (rows.size() == 1) return std::vector<double>(2, *first);  // one value would be that of all rows
  return {first, factors.begin() + rows.last};
}

}  // namespace modelgrow::inline v0
