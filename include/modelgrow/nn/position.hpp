// SPDX-License-Identifier: MIT
// Sinusoidal position tables of DiT, computed in double and stored in the model's type as upstream stores float32.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

/// Table [positions, width] with rows [sin(p w_0).., cos(p w_0)..], w_j = 10000^(-j / (width/2)) (MAE/DiT
/// get_1d_sincos_pos_embed). Throws shape_error for an odd width.
inline std::vector<double> sincos_1d(std::int64_t width, const std::vector<double>& positions) {
  if (width % 2 != 0) throw shape_error("a sincos table needs an even width; found " + std::to_string(width));
  const std::int64_t half = width / 2;
  std::vector<double> table;
  table.reserve(positions.size() * std::size_t(width));
  for (double p : positions) {
    const auto angle = [&](std::int64_t j) { return p * std::pow(10000.0, -double(j) / double(half)); };
    for (std::int64_t j = 0; j < half; ++j) table.push_back(std::sin(angle(j)));
    for (std::int64_t j = 0; j < half; ++j) table.push_back(std::cos(angle(j)));
  }
  return table;
}

/// Table [height * width, channels]: the first half of the channels encodes the column, the second half the row.
inline std::vector<double> sincos_2d(std::int64_t channels, std::int64_t height, std::int64_t width, double scale) {
  if (channels % 4 != 0)
    throw shape_error("a 2-D sincos table needs a width divisible by 4; found " + std::to_string(channels));
  std::vector<double> columns, rows, table;
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      columns.push_back(double(x) / scale);
      rows.push_back(double(y) / scale);
    }
  const auto first = sincos_1d(channels / 2, columns), second = sincos_1d(channels / 2, rows);
  for (std::int64_t i = 0; i < height * width; ++i) {
    table.insert(table.end(), first.begin() + i * channels / 2, first.begin() + (i + 1) * channels / 2);
    table.insert(table.end(), second.begin() + i * channels / 2, second.begin() + (i + 1) * channels / 2);
  }
  return table;
}

}  // namespace modelgrow::inline v0
