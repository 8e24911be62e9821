// SPDX-License-Identifier: MIT
// The proof of a fill: its numbers once more, the long way and in another order, one map after the other.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/core/parallel.hpp>
#include <modelgrow/grow/correspondence.hpp>

namespace modelgrow::inline v0::detail {

struct FilledCheck {
  std::string rule, wrong;  // wrong: what differs, empty when nothing does
  double residual = 0;
  bool finite = true;
};

/// Half the distance of two neighbours of a type at 1, and its smallest number: what rounding may change.
struct Rounding {
  double unit = 0, smallest = 0;
};
constexpr Rounding rounding_in(DType type) {
  if (type == DType::bf16) return {.unit = 0x1p-8, .smallest = 0x1p-133};
  if (type == DType::f16) return {.unit = 0x1p-11, .smallest = 0x1p-24};
  if (type == DType::f32) return {.unit = 0x1p-24, .smallest = 0x1p-149};
  return {.unit = 0x1p-53, .smallest = 0};
}

/// A row w through the maps: (((w A1) A2) ..), and what the constants add to its product.
inline std::vector<double> through_maps(std::vector<double> w, const std::vector<Filled>& fills, double& constant) {
  for (const auto& f : fills) {
    const AffineMap& map = *f.fill->map;
    std::vector<double> next(std::size_t(map.from), 0.0);
    for (std::size_t k = w.size(); k-- > 0;) {
      constant += w[k] * map.bias[k];
      const double* from = map.weight.data() + k * next.size();
      for (std::size_t j = 0; j < next.size(); ++j) next[j] += w[k] * from[j];
    }
    w = std::move(next);
  }
  return w;
}

/// Whether stored states x are read better than no states at all: | W (A x + c - r) | against | W (c - r) |, over all.
inline FilledCheck check_filled_states(const TensorView& grown, const TensorView& old, const TensorView& weight,
                                       const std::vector<Filled>& fills) {
  const auto x = values_of<double>(grown), r = values_of<double>(old), w = values_of<double>(weight);
  const std::int64_t width = old.shape[1];
  const auto mapped = [&](std::vector<double> state) {
    for (std::size_t f = fills.size(); f-- > 0;) {
      const AffineMap& map = *fills[f].fill->map;
      std::vector<double> next = map.bias;
      for (std::size_t i = 0; i < next.size(); ++i)
        for (std::size_t j = 0; j < state.size(); ++j) next[i] += map.weight[i * state.size() + j] * state[j];
      state = std::move(next);
    }
    return state;
  };
  double left = 0, all = 0;
  const auto add = [&](const std::vector<double>& state, std::int64_t row, double& sum) {
    auto off = mapped(state);
    for (std::size_t i = 0; i < off.size(); ++i) off[i] -= r[std::size_t(row * width) + i];
    for (std::size_t h = 0; h < std::size_t(weight.shape[0]); ++h) {
      double read = 0;
      for (std::size_t i = 0; i < off.size(); ++i) read += w[h * off.size() + i] * off[i];
      sum += read * read;
    }
  };
  const auto n = std::size_t(grown.shape[1]);
  for (std::int64_t i = 0; i < grown.shape[0]; ++i) {
    const auto row = std::min(i, old.shape[0] - 1);
    add({x.begin() + std::ptrdiff_t(i) * std::ptrdiff_t(n), x.begin() + std::ptrdiff_t(i + 1) * std::ptrdiff_t(n)}, row,
        left);
    add(std::vector<double>(n, 0.0), row, all);
  }
  FilledCheck found{.rule = "nearest states, read as the old ones within the residual", .wrong = {}};
  found.finite = std::isfinite(left) && std::isfinite(all);
  found.residual = all > 0 ? std::sqrt(left / all) : 0;
  if (found.finite && found.residual > 1.001)
    found.wrong = "is read worse than no states at all: it is not what the map makes of '" + old.name + "'";
  return found;
}

/// Compares a filled tensor with what the maps make of the old one, element by element, up to the rounding of its type.
/// `rows` are those of the grown tensor.
inline FilledCheck check_filled(const TensorView& grown, const TensorView& old, const TensorView& weight,
                                const std::vector<Filled>& fills, const AxisUnits& rows) {
  const Filling::Part part = fills[0].part;
  if (part == Filling::Part::states) return check_filled_states(grown, old, weight, fills);
  const bool bias = part == Filling::Part::bias;
  FilledCheck found{.rule = bias ? "b' = b + W c" : "W' = W A", .wrong = {}};
  const Rounding rounding = rounding_in(grown.dtype);
  const auto width = std::size_t(weight.shape[1]), columns = bias ? 1 : std::size_t(grown.shape[1]);
  const std::size_t bytes = weight.bytes / std::size_t(weight.shape[0]);
  const auto before = bias ? values_of<double>(old) : std::vector<double>{}, values = values_of<double>(grown);
  double scale = 0;
  for (const double x : values)
    if (std::isfinite(x)) scale = std::max(scale, std::abs(x));
  std::mutex mutex;
  parallel_for(std::int64_t(rows.ancestor.size()), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto ancestor = std::size_t(rows.ancestor[std::size_t(i)]), row = std::size_t(rows.old[ancestor]);
      const double part = rows.scale[ancestor];
      if (std::isnan(part)) continue;  // a blend, of which nothing is known
      std::vector<double> w(width);
      with_element(weight.dtype, [&]<class T>(T) {
        for (std::size_t k = 0; k < width; ++k) {
          T x;
          std::memcpy(&x, weight.data + row * bytes + k * sizeof(T), sizeof x);
          w[k] = element_cast<double>(x);
        }
      });
      double constant = 0;
      std::vector<double> expected = through_maps(std::move(w), fills, constant);
      if (bias) expected = {before[row] + constant};
      for (std::size_t j = 0; j < columns; ++j) {
        const double x = values[std::size_t(i) * columns + j], e = part * expected[j], difference = std::abs(x - e);
        const bool finite = std::isfinite(difference);
        if (finite && difference <= rounding.unit * std::abs(e) + rounding.smallest + 1e-10 * scale) continue;
        const std::lock_guard lock(mutex);
        found.finite &= finite;
        if (finite && found.wrong.empty())
          found.wrong = "has " + std::to_string(x) + " in row " + std::to_string(i) + ", column " + std::to_string(j) +
                        "; " + found.rule + " gives " + std::to_string(e);
      }
    }
  });
  return found;
}

}  // namespace modelgrow::inline v0::detail
