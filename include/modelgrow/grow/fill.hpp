// SPDX-License-Identifier: MIT
// What a fill makes of a stored tensor, computed in double and whole: it is one layer, small beside a model.
#pragma once
#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/grow/least_norm.hpp>
#include <modelgrow/grow/recipe.hpp>

namespace modelgrow::inline v0::detail {

/// Below this share of the largest direction, a direction of a layer that is stored in a type drowns in its rounding.
constexpr double rounding_of(DType type) {
  return type == DType::bf16 ? 0x1p-8 : type == DType::f16 ? 0x1p-11 : type == DType::f64 ? 1e-12 : 1e-6;
}

inline std::vector<double> transposed(const std::vector<double>& a, std::int64_t columns) {
  std::vector<double> t(a.size());
  const auto n = std::size_t(columns), rows = a.size() / n;
  for (std::size_t i = 0; i < a.size(); ++i) t[i % n * rows + i / n] = a[i];
  return t;
}

/// The stored states, less the constant of the map and repeated up to `length`, as `weight` [rows, to] reads them:
/// [rows, length].
inline std::vector<double> wanted_of(const std::vector<double>& weight, const std::vector<double>& states,
                                     const AffineMap& map, std::int64_t length) {
  const auto width = std::size_t(map.to), last = states.size() / width - 1;
  std::vector<double> shifted(std::size_t(length) * width);
  for (std::size_t i = 0; i < shifted.size(); ++i)
    shifted[i] = states[std::min(i / width, last) * width + i % width] - map.bias[i % width];
  return product(std::int64_t(weight.size()) / map.to, map.to, length, weight.data(),
                 transposed(shifted, map.to).data());
}

/// Rows [first, last) of a matrix.
inline TensorView rows_of(const TensorView& t, std::int64_t first, std::int64_t last) {
  const std::size_t row = t.bytes / std::size_t(t.shape[0]);
  return TensorView{.name = t.name,
                    .dtype = t.dtype,
                    .shape = Shape{last - first, t.shape[1]},
                    .data = t.data + row * std::size_t(first),
                    .bytes = row * std::size_t(last - first)};
}

/// A filled tensor of this shape, in the type that it is stored in; `weight` is what reads, `own` the tensor before
/// (the weight itself, for a weight).
template <Element T>
std::vector<std::byte> filled(const Filling& filling, const Shape& shape, const TensorView& own,
                              const TensorView& weight) {
  const AffineMap& map = *filling.map;
  std::vector<std::byte> bytes(std::size_t(numel(shape)) * sizeof(T));
  std::size_t at = 0;
  const auto put = [&](double value) {
    const T x = element_cast<T>(value);
    std::memcpy(bytes.data() + std::exchange(at, at + sizeof x), &x, sizeof x);
  };
  const std::int64_t rows = weight.shape[0];
  if (filling.part == Filling::Part::states) {
    const auto w = values_of<double>(weight);
    const auto reads = product(rows, map.to, map.from, w.data(), map.weight.data());
    const auto wanted = wanted_of(w, values_of<double>(own), map, shape[0]);
    const double rounding = std::max(rounding_of(own.dtype), rounding_of(weight.dtype));
    const auto states = least_norm(rows, map.from, reads.data(), shape[0], wanted.data(), rounding);
    for (const double x : transposed(states, shape[0])) put(x);
    return bytes;
  }
  const bool bias = filling.part == Filling::Part::bias;
  const auto before = bias ? values_of<double>(own) : std::vector<double>{};
  constexpr std::int64_t band = 128;  // rows at once
  for (std::int64_t first = 0; first < rows; first += band) {
    const std::int64_t n = std::min(band, rows - first);
    const auto w = values_of<double>(rows_of(weight, first, first + n));
    const auto made = product(n, map.to, bias ? 1 : map.from, w.data(), bias ? map.bias.data() : map.weight.data());
    for (std::size_t i = 0; i < made.size(); ++i) put(bias ? before[std::size_t(first) + i] + made[i] : made[i]);
  }
  return bytes;
}

}  // namespace modelgrow::inline v0::detail
