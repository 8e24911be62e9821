// SPDX-License-Identifier: MIT
// Affine maps in safetensors files: "weight" [to, from] and "bias" [to], of any float type, as other programs write
// them too.
#pragma once
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/core/affine_map.hpp>

namespace modelgrow::inline v0 {

/// Reads a map whose tensors have names with this prefix; without a bias it is zero. Throws format_error for tensors
/// that are no map.
inline AffineMap read_affine_map(const Safetensors& file, const std::string& prefix = {}) {
  const std::string where = "'" + file.path().string() + "'";
  const TensorView *weight = file.find(prefix + "weight"), *bias = file.find(prefix + "bias");
  if (!weight)
    throw format_error(where + ": there is no tensor '" + prefix +
                       "weight'; expected a map: weight [to, from], bias [to]");
  if (weight->shape.rank() != 2 || numel(weight->shape) == 0 || (bias && bias->shape != Shape{weight->shape[0]}))
    throw format_error(where + ": '" + weight->name + "' " + to_string(weight->shape) +
                       (bias ? " and '" + bias->name + "' " + to_string(bias->shape) : std::string()) +
                       " are no map; expected weight [to, from] and bias [to]");
  AffineMap map{.from = weight->shape[1], .to = weight->shape[0], .weight = values_of<double>(*weight), .bias = {}};
  map.bias = bias ? values_of<double>(*bias) : std::vector<double>(std::size_t(map.to), 0.0);
  return map;
}
/// Opens the file too. Throws io_error.
inline AffineMap read_affine_map(const std::filesystem::path& path) { return read_affine_map(Safetensors::open(path)); }

/// Writes maps, in double, under their prefixes. Throws io_error.
inline void write_affine_maps(const std::filesystem::path& path,
                              const std::vector<std::pair<std::string, const AffineMap*>>& maps) {
  std::vector<NamedShape> tensors;
  for (const auto& [prefix, map] : maps) {
    tensors.push_back({.name = prefix + "weight", .dtype = DType::f64, .shape = Shape{map->to, map->from}});
    tensors.push_back({.name = prefix + "bias", .dtype = DType::f64, .shape = Shape{map->to}});
  }
  SafetensorsWriter file(path, std::move(tensors));
  for (const auto& [prefix, map] : maps) {
    file.write(prefix + "weight", std::as_bytes(std::span(map->weight)));
    file.write(prefix + "bias", std::as_bytes(std::span(map->bias)));
  }
  file.commit();
}
inline void write_affine_map(const std::filesystem::path& path, const AffineMap& map) {
  write_affine_maps(path, {{"", &map}});
}

}  // namespace modelgrow::inline v0
