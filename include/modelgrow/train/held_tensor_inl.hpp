// SPDX-License-Identifier: MIT
// The definitions of held_tensor.hpp.
#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <modelgrow/detail/packed.hpp>
#include <modelgrow/train/held_tensor.hpp>
#include <modelgrow/train/row_range.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// What a rank tells of what it has; what all have, rank 0 tells.
inline std::string told_of(const std::vector<HeldTensor>& held, bool first_rank) {
  Packer text;
  for (const auto& h : held) {
    if (!h.first && !first_rank) continue;
    text << h.about.name << int(h.about.dtype) << h.about.shape.rank();
    for (int a = 0; a < h.about.shape.rank(); ++a) text << h.about.shape[a];
    text << h.first.has_value() << h.first.value_or(0);
  }
  return text.text();
}

/// Rows of a tensor that a rank has.
struct HeldRows {
  int rank = 0;
  std::int64_t first = 0;
  bool shared = false;
  NamedShape about = {};
};
inline HeldRows unpacked_rows(Unpacker& from, int rank) {
  HeldRows rows{.rank = rank};
  int dtype = 0, axes = 0;
  from >> rows.about.name >> dtype >> axes;
  rows.about.dtype = DType(dtype);
  std::vector<std::int64_t> sizes(std::size_t(axes), 0);
  for (auto& n : sizes) from >> n;
  rows.about.shape = Shape(sizes);
  from >> rows.shared >> rows.first;
  return rows;
}

/// Rows of one tensor, put together.
inline SpreadTensor joined(const std::filesystem::path& path, std::vector<HeldRows> rows) {
  std::ranges::sort(rows, {}, &HeldRows::first);
  SpreadTensor whole{.about = rows[0].about};
  std::uint64_t bytes = 0;
  std::int64_t next = 0;
  for (const auto& r : rows) {
    Shape shape = r.about.shape;
    const std::int64_t n = matrix_size(shape).rows;
    if (shape.rank() > 0 && whole.about.shape.rank() > 0) shape[0] = whole.about.shape[0];
    if (r.first != next || r.about.dtype != whole.about.dtype || shape != whole.about.shape)
      throw communication_error(path.string() + ": of tensor '" + r.about.name + "', rank " + std::to_string(r.rank) +
                                " has " + to_string(r.about.shape) + " from row " + std::to_string(r.first) +
                                " on, where rows from " + std::to_string(next) +
                                " on are missing; ranks must share one model, each row once");
    const std::uint64_t end = bytes + declared_bytes(r.about, path);
    whole.parts.push_back({.rank = r.rank, .begin = bytes, .end = end});
    bytes = end;
    next += n;
  }
  if (whole.about.shape.rank() > 0) whole.about.shape[0] = next;
  return whole;
}

}  // namespace detail

MODELGROW_INLINE std::vector<SpreadTensor> spread_tensors(const std::filesystem::path& path,
                                                          const std::vector<HeldTensor>& held, Ranks& ranks) {
  std::map<std::string, std::vector<detail::HeldRows>> by_name;
  const auto told = ranks.all(detail::told_of(held, ranks.first()));
  std::vector<SpreadTensor> all;
  for (std::size_t r = 0; r < told.size(); ++r)
    for (detail::Unpacker from(told[r]); !from.ended();) {
      auto rows = detail::unpacked_rows(from, int(r));
      if (rows.shared)
        by_name[rows.about.name].push_back(std::move(rows));
      else
        all.push_back(SpreadTensor{.about = std::move(rows.about)});
    }
  for (auto& [name, rows] : by_name) all.push_back(detail::joined(path, std::move(rows)));
  std::ranges::stable_sort(all, {}, [](const SpreadTensor& t) -> const std::string& { return t.about.name; });
  return all;
}

}  // namespace modelgrow::inline v0
