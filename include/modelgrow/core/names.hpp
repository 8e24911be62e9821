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
std::size_t edit_distance(std::string_view a, std::string_view b);
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
  explicit Names(std::vector<NamedShape> entries, std::string source = "checkpoint");

  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  std::size_t size() const { return entries_.size(); }
  const NamedShape& operator[](std::size_t i) const { return entries_[i]; }
  const std::string& source() const { return source_; }

  const NamedShape* find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  bool contains_prefix(std::string_view prefix) const;
  /// Throws format_error with the nearest names.
  const NamedShape& at(std::string_view name) const;
  /// Size of one dimension; negative axes count from the end. Throws format_error when there is no such tensor or axis.
  std::int64_t dim(std::string_view name, int axis) const;
  /// Number of blocks "<prefix>.0." to "<prefix>.<n-1>."; throws format_error when a number is left out.
  std::int64_t blocks(std::string_view prefix) const;

 private:
  std::vector<std::size_t>::const_iterator lower_bound(std::string_view name) const;
  std::vector<NamedShape> entries_;
  std::string source_ = "checkpoint";
  std::vector<std::size_t> sorted_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/core/names_inl.hpp>
#endif
