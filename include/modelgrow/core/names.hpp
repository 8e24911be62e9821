// SPDX-License-Identifier: MIT
// The names, types and shapes of a checkpoint without its numbers: what a family needs to infer its configuration.
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <modelgrow/core/dtype.hpp>
#include <modelgrow/core/error.hpp>
#include <modelgrow/core/order.hpp>
#include <modelgrow/core/shape.hpp>

namespace modelgrow::inline v0 {

/// One entry of a checkpoint.
struct NamedShape {
  std::string name;
  DType dtype = DType::f32;
  Shape shape = {};
  bool known = true;  ///< false: only an index names it, its file is not there; neither type nor shape are known
  bool operator==(const NamedShape&) const = default;
};

namespace detail {
/// Levenshtein distance: insertions, deletions and replacements of characters.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}
}  // namespace detail

/// "; the nearest names are 'a', 'b', 'c'" for an error message, or nothing when there are no names.
template <class Range>
std::string nearest_names(std::string_view wanted, const Range& names, std::size_t count = 3) {
  std::vector<std::string_view> list;
  for (const auto& n : names) list.push_back(n);
  std::vector<std::size_t> distance;
  for (auto n : list) distance.push_back(detail::edit_distance(wanted, n));
  auto nearest = detail::sorted_indices(list.size(), [&](std::size_t i, std::size_t j) {
    return distance[i] != distance[j] ? distance[i] < distance[j] : list[i] < list[j];
  });
  nearest.resize(std::min(nearest.size(), count));
  std::string text;
  for (auto i : nearest)
    text.append(text.empty() ? "; the nearest names are '" : ", '").append(list[i]).append(1, '\'');
  return text;
}

/// Entries in file order, found by name in logarithmic time.
class Names {
 public:
  Names() = default;
  /// Throws format_error when a name occurs twice. `source` (a path) begins every error message.
  explicit Names(std::vector<NamedShape> entries, std::string source = "checkpoint")
      : entries_(std::move(entries)), source_(std::move(source)) {
    sorted_ = detail::sorted_indices(entries_.size(),
                                     [&](std::size_t i, std::size_t j) { return entries_[i].name < entries_[j].name; });
    for (std::size_t i = 1; i < sorted_.size(); ++i)
      if (entries_[sorted_[i]].name == entries_[sorted_[i - 1]].name)
        throw format_error(source_ + ": the name '" + entries_[sorted_[i]].name + "' occurs twice");
  }

  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  std::size_t size() const { return entries_.size(); }
  const NamedShape& operator[](std::size_t i) const { return entries_[i]; }
  const std::string& source() const { return source_; }

  const NamedShape* find(std::string_view name) const {
    const auto it = lower_bound(name);
    return it != sorted_.end() && entries_[*it].name == name ? &entries_[*it] : nullptr;
  }
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  bool contains_prefix(std::string_view prefix) const {
    const auto it = lower_bound(prefix);
    return it != sorted_.end() && entries_[*it].name.starts_with(prefix);
  }
  /// Throws format_error with the nearest names.
  const NamedShape& at(std::string_view name) const {
    if (const auto* found = find(name)) return *found;
    std::vector<std::string_view> all;
    for (const auto& e : entries_) all.push_back(e.name);
    throw format_error(source_ + ": there is no tensor '" + std::string(name) + "'" + nearest_names(name, all));
  }
  /// Size of one dimension; negative axes count from the end. Throws format_error when there is no such tensor or axis.
  std::int64_t dim(std::string_view name, int axis) const {
    const Shape& shape = at(name).shape;
    const int i = axis < 0 ? axis + shape.rank() : axis;
    if (i < 0 || i >= shape.rank())
      throw format_error(source_ + ": tensor '" + std::string(name) + "' has shape " + to_string(shape) +
                         " and no axis " + std::to_string(axis));
    return shape[i];
  }
  /// Number of blocks "<prefix>.0." to "<prefix>.<n-1>."; throws format_error when a number is left out.
  std::int64_t blocks(std::string_view prefix) const {
    const std::string stem = std::string(prefix) + ".";
    std::int64_t n = 0;
    while (contains_prefix(stem + std::to_string(n) + ".")) ++n;
    for (auto it = lower_bound(stem); it != sorted_.end() && entries_[*it].name.starts_with(stem); ++it) {
      const std::string_view rest = std::string_view(entries_[*it].name).substr(stem.size());
      const std::string_view number = rest.substr(0, rest.find('.'));
      if (number.size() == rest.size() || number.empty() || number.find_first_not_of("0123456789") != number.npos)
        continue;
      if (number.size() > 9 || std::stoll(std::string(number)) >= n)
        throw format_error(source_ + ": there is '" + entries_[*it].name + "' but no '" + stem + std::to_string(n) +
                           ".': a block is missing");
    }
    return n;
  }

 private:
  std::vector<std::size_t>::const_iterator lower_bound(std::string_view name) const {
    return std::lower_bound(sorted_.begin(), sorted_.end(), name,
                            [&](std::size_t i, std::string_view n) { return entries_[i].name < n; });
  }
  std::vector<NamedShape> entries_;
  std::string source_ = "checkpoint";
  std::vector<std::size_t> sorted_;
};

}  // namespace modelgrow::inline v0
