// SPDX-License-Identifier: MIT
// The definitions of read_plan.hpp.
#pragma once
#include <modelgrow/checkpoint/affine_map_file.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/grow/plan_from_json.hpp>
#include <modelgrow/grow/read_plan.hpp>
#include <modelgrow/grow/write_plan.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Reads one map. Throws format_error unless it is what the plan names.
inline AffineMap read_map(const Safetensors& file, const std::string& sum, std::int64_t from, std::int64_t to) {
  const std::string where = "'" + file.path().string() + "'";
  if (!file.find(sum + ".weight"))
    throw format_error(where + " does not hold the map " + sum +
                       ": it is not the file of this plan; take the one that was written with it");
  AffineMap map = read_affine_map(file, sum + ".");
  if (map.from != from || map.to != to)
    throw format_error(where + ": the map " + sum + " leads from width " + std::to_string(map.from) + " to " +
                       std::to_string(map.to) + "; the plan expects " + std::to_string(from) + " to " +
                       std::to_string(to) + ": take the file that was written with the plan");
  if (const auto found = checksum(map); found != sum)
    throw format_error(where + ": the matrices of map " + sum + " have the checksum " + found +
                       ": the file is damaged or was changed; take the one that was written with the plan");
  return map;
}

}  // namespace detail

MODELGROW_INLINE Plan read_plan(const std::filesystem::path& path, Schema source) {
  const auto matrices = matrices_beside(path);
  std::optional<Safetensors> file;
  const auto find = [&](const std::string& sum, std::int64_t from, std::int64_t to) {
    if (std::error_code ignored; !file && !std::filesystem::exists(matrices, ignored))
      throw io_error("'" + path.string() + "' fills from the map " + sum + ", whose matrices should be in '" +
                     matrices.string() + "': there is no such file; copy it along with the plan");
    if (!file) file = Safetensors::open(matrices);
    return detail::read_map(*file, sum, from, to);
  };
  return plan_from_json(detail::read_file(path), std::move(source), find);
}

}  // namespace modelgrow::inline v0
