// SPDX-License-Identifier: MIT
// The definitions of plan_file.hpp.
#pragma once
#include <map>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/grow/plan_file.hpp>
#include <modelgrow/grow/plan_json.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Reads one map. Throws format_error unless it is what the plan names.
inline AffineMap read_map(const Safetensors& file, const std::string& sum, std::int64_t from, std::int64_t to) {
  const auto numbers = [&](const std::string& name, const Shape& shape) {
    const TensorView* t = file.find(name);
    if (!t)
      throw format_error("'" + file.path().string() + "' has no tensor '" + name +
                         "': it is not the file of this plan; take the one that was written with it");
    if (t->dtype != DType::f64 || t->shape != shape)
      throw format_error("'" + file.path().string() + "': tensor '" + name + "' is " +
                         std::string(modelgrow::name(t->dtype)) + " " + to_string(t->shape) +
                         "; the plan expects F64 " + to_string(shape));
    return values_of<double>(*t);
  };
  AffineMap map{.from = from,
                .to = to,
                .weight = numbers(sum + ".weight", Shape{to, from}),
                .bias = numbers(sum + ".bias", Shape{to})};
  if (const auto found = checksum(map); found != sum)
    throw format_error("'" + file.path().string() + "': the matrices of map " + sum + " have the checksum " + found +
                       ": the file is damaged or was changed; take the one that was written with the plan");
  return map;
}

}  // namespace detail

MODELGROW_INLINE std::vector<std::filesystem::path> write_plan(const Plan& plan, const std::filesystem::path& path) {
  std::map<std::string, const AffineMap*> maps;
  for (const auto& step : plan.steps())
    if (const auto* fill = std::get_if<Fill>(&step.verb)) maps.emplace(checksum(*fill->map), fill->map.get());
  std::vector<std::filesystem::path> written{path};
  if (!maps.empty()) {
    std::vector<NamedShape> tensors;
    for (const auto& [sum, map] : maps) {
      tensors.push_back({.name = sum + ".weight", .dtype = DType::f64, .shape = Shape{map->to, map->from}});
      tensors.push_back({.name = sum + ".bias", .dtype = DType::f64, .shape = Shape{map->to}});
    }
    SafetensorsWriter file(matrices_beside(path), std::move(tensors), {{"modelgrow", "matrices of a plan"}});
    for (const auto& [sum, map] : maps) {
      file.write(sum + ".weight", std::as_bytes(std::span(map->weight)));
      file.write(sum + ".bias", std::as_bytes(std::span(map->bias)));
    }
    file.commit();
    written.push_back(matrices_beside(path));
  }
  detail::write_file(path, to_json(plan));
  return written;
}

MODELGROW_INLINE Plan read_plan(const std::filesystem::path& path, Schema source) {
  const auto matrices = matrices_beside(path);
  std::optional<Safetensors> file;
  const auto find = [&](const std::string& sum, std::int64_t from, std::int64_t to) {
    if (from <= 0 || to <= 0)
      throw format_error("'" + path.string() + "': the map " + sum + " leads from width " + std::to_string(from) +
                         " to " + std::to_string(to));
    if (std::error_code ignored; !file && !std::filesystem::exists(matrices, ignored))
      throw io_error("'" + path.string() + "' fills from the map " + sum + ", whose matrices should be in '" +
                     matrices.string() + "': there is no such file; copy it along with the plan");
    if (!file) file = Safetensors::open(matrices);
    return detail::read_map(*file, sum, from, to);
  };
  return plan_from_json(detail::read_file(path), std::move(source), find);
}

}  // namespace modelgrow::inline v0
