// SPDX-License-Identifier: MIT
// The definitions of names.hpp.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/names.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE std::size_t edit_distance(std::string_view a, std::string_view b) {
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

MODELGROW_INLINE Names::Names(std::vector<NamedShape> entries, std::string source)
    : entries_(std::move(entries)), source_(std::move(source)) {
  sorted_ = detail::sorted_indices(entries_.size(),
                                   [&](std::size_t i, std::size_t j) { return entries_[i].name < entries_[j].name; });
  for (std::size_t i = 1; i < sorted_.size(); ++i)
    if (entries_[sorted_[i]].name == entries_[sorted_[i - 1]].name)
      throw format_error(source_ + ": the name '" + entries_[sorted_[i]].name + "' occurs twice");
}

MODELGROW_INLINE const NamedShape* Names::find(std::string_view name) const {
  const auto it = lower_bound(name);
  return it != sorted_.end() && entries_[*it].name == name ? &entries_[*it] : nullptr;
}

MODELGROW_INLINE bool Names::contains_prefix(std::string_view prefix) const {
  const auto it = lower_bound(prefix);
  return it != sorted_.end() && entries_[*it].name.starts_with(prefix);
}

MODELGROW_INLINE const NamedShape& Names::at(std::string_view name) const {
  if (const auto* found = find(name)) return *found;
  std::vector<std::string_view> all;
  for (const auto& e : entries_) all.push_back(e.name);
  throw format_error(source_ + ": there is no tensor '" + std::string(name) + "'" + nearest_names(name, all));
}

MODELGROW_INLINE std::int64_t Names::dim(std::string_view name, int axis) const {
  const Shape& shape = at(name).shape;
  const int i = axis < 0 ? axis + shape.rank() : axis;
  if (i < 0 || i >= shape.rank())
    throw format_error(source_ + ": tensor '" + std::string(name) + "' has shape " + to_string(shape) +
                       " and no axis " + std::to_string(axis));
  return shape[i];
}

MODELGROW_INLINE std::int64_t Names::blocks(std::string_view prefix) const {
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

MODELGROW_INLINE std::vector<std::size_t>::const_iterator Names::lower_bound(std::string_view name) const {
  return std::lower_bound(sorted_.begin(), sorted_.end(), name,
                          [&](std::size_t i, std::string_view n) { return entries_[i].name < n; });
}

}  // namespace modelgrow::inline v0
