// SPDX-License-Identifier: MIT
// How a model that reads one text encoder is made to read another by a map between their states, in closed form.
#pragma once
#include <algorithm>

#include <modelgrow/core/dtype.hpp>
#include <modelgrow/core/shape.hpp>
#include <modelgrow/text/ridge.hpp>

namespace modelgrow::inline v0 {

/// What touches the states of a text encoder in a CaptionEmbedder: its first layer, weight [hidden, channels] and bias,
/// and its null caption [length, channels].
struct TextProjector {
  std::int64_t hidden = 0, channels = 0, length = 0;
  std::vector<double> weight, bias, null;
  double rounding = 1e-6;  // of the type that the values are stored in, relative
};

/// Below this share of the largest direction, a direction of a layer that is stored in a type drowns in its rounding.
constexpr double rounding_of(DType type) {
  return type == DType::bf16 ? 0x1p-8 : type == DType::f16 ? 0x1p-11 : type == DType::f64 ? 1e-12 : 1e-6;
}

/// The projector that makes of states x, within the error of the map, what `before` makes of map(x): its first layer
/// behind the map, and the null caption that gives the first layer as nearly as possible what the old one gave it
/// (least squares, of all solutions the smallest, in the directions that `rounding` leaves). A longer null caption
/// repeats the last row, as Open-Sora does. Throws shape_error for a map that does not lead to the states that `before`
/// reads.
inline TextProjector behind(const TextProjector& before, const AffineMap& map, std::int64_t length,
                            double rounding = TextProjector{}.rounding) {
  if (map.to != before.channels)
    throw shape_error("the map leads to states of width " + std::to_string(map.to) + "; the model read states of " +
                      std::to_string(before.channels) + ": fit it to the states of the old text encoder");
  TextProjector after{.hidden = before.hidden,
                      .channels = map.from,
                      .length = length,
                      .weight = std::vector<double>(std::size_t(before.hidden * map.from)),
                      .bias = before.bias,
                      .null = std::vector<double>(std::size_t(length * map.from)),
                      .rounding = rounding};
  const auto hidden = std::size_t(before.hidden), old = std::size_t(before.channels);
  const auto transposed = [](const std::vector<double>& a, std::size_t columns) {
    std::vector<double> t(a.size());
    const std::size_t rows = a.size() / columns;
    for (std::size_t i = 0; i < a.size(); ++i) t[i % columns * rows + i / columns] = a[i];
    return t;
  };
  const auto first = transposed(before.weight, old);  // [channels, hidden]
  cpu::add_products(before.channels, before.hidden, first.data(), map.from, map.weight.data(), after.weight.data());
  cpu::add_products(before.channels, before.hidden, first.data(), 1, map.bias.data(), after.bias.data());
  // The new first layer must give weight' y' = weight (y - b), one column for each row of the null caption.
  std::vector<double> rows(std::size_t(length) * old), wanted(hidden * std::size_t(length));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t row = std::min(i / old, std::size_t(before.length) - 1);
    rows[i] = before.null[row * old + i % old] - map.bias[i % old];
  }
  cpu::add_products(before.channels, before.hidden, first.data(), length, transposed(rows, old).data(), wanted.data());
  after.null =
      transposed(cpu::least_norm(before.hidden, map.from, after.weight.data(), length, wanted.data(), rounding),
                 std::size_t(length));
  return after;
}

}  // namespace modelgrow::inline v0
