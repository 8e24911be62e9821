// SPDX-License-Identifier: MIT
// The learning-rate and epsilon multipliers that let a grown model follow the trajectory of the small one
// (growth-maths, section 4).
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include <modelgrow/checkpoint/optimizer_names.hpp>
#include <modelgrow/grow/recipe.hpp>

namespace modelgrow::inline v0 {

/// Factors on the learning rate and on epsilon of one parameter, seen as a matrix [first axis, product of the others].
/// The update is  w[i,j] -= rate * lr[j] * m[i,j] / (sqrt(v[i,j]) + epsilon * eps[i]) + rate * decay * w[i,j]:
/// decoupled weight decay takes the rate without its factor. Vectors of length 1 count for all indices.
struct Multipliers {
  std::vector<double> lr{1.0};   // product of the splits of the consumer axes, over the columns
  std::vector<double> eps{1.0};  // factor of the gradient, over the rows
  bool trivial() const { return lr == std::vector<double>{1.0} && eps == std::vector<double>{1.0}; }
  bool operator==(const Multipliers&) const = default;
};

namespace detail {

/// The factors of axis maps 1, 2, ... along the columns; `old` are the factors of the source.
inline std::vector<double> column_factors(const std::vector<AxisMap>& maps, const Shape& before, const Shape& after,
                                          const std::vector<double>& old) {
  std::vector<std::int64_t> from{0};
  std::vector<double> factor{1.0};
  for (std::size_t a = 1; a < maps.size(); ++a) {
    std::vector<std::int64_t> next_from;
    std::vector<double> next_factor;
    for (std::size_t i = 0; i < from.size(); ++i)
      for (std::int64_t j = 0; j < after[int(a)]; ++j) {
        const bool mapped = !maps[a].from.empty();
        next_from.push_back(from[i] * before[int(a)] + (mapped ? maps[a].from[std::size_t(j)] : j));
        next_factor.push_back(factor[i] * (mapped ? maps[a].weight[std::size_t(j)] : 1.0));
      }
    from = std::move(next_from);
    factor = std::move(next_factor);
  }
  for (std::size_t i = 0; i < from.size(); ++i) factor[i] *= old.size() == 1 ? old[0] : old[std::size_t(from[i])];
  return factor;
}

/// One value where all are equal.
inline std::vector<double> shortest(std::vector<double> v) {
  for (double x : v)
    if (x != v[0]) return v;
  v.resize(1);
  return v;
}
inline double geometric_mean(const std::vector<double>& v) {
  double sum = 0;
  for (double x : v) sum += std::log(x);
  for (double x : v)
    if (x != v[0]) return std::exp(sum / double(v.size()));
  return v.empty() ? 1.0 : v[0];
}

/// How each axis of a recipe grows, for factors: with 1 in place of 0, since what starts at zero has no past to follow,
/// and a gradient as that of what it stands beside.
inline std::vector<AxisMap> factor_maps(const Recipe& recipe) {
  const auto stages = stages_of(recipe);
  std::vector<AxisMap> maps;
  for (std::size_t a = 0; a < recipe.source_axes.size(); ++a) {
    AxisMap& map = maps.emplace_back(total_map(stages, a));
    for (auto* all : {&map.weight, &map.gradient, &map.scale}) std::ranges::replace(*all, 0.0, 1.0);
  }
  return maps;
}
/// The scale of an index.
inline double scale_of(const AxisMap& map, std::size_t i) { return map.scale.empty() ? 1.0 : map.scale[i]; }

}  // namespace detail

/// The multipliers of a grown parameter. Factors that the two vectors cannot express (uneven splits of a consumer axis
/// that comes first, or of a producer axis that does not) enter by their geometric mean.
inline Multipliers grow_multipliers(const Recipe& recipe, const Multipliers& old = {}) {
  const Shape before = shape_of(recipe.source_axes);
  const auto maps = detail::factor_maps(recipe);
  Multipliers grown = old;
  if (maps.empty()) return grown;
  bool columns = false;
  double rest_eps = recipe.share;
  for (std::size_t a = 1; a < maps.size(); ++a)
    if (!maps[a].from.empty()) {
      columns = true;
      rest_eps *= detail::geometric_mean(maps[a].gradient);
    }
  if (columns) grown.lr = detail::column_factors(maps, before, recipe.shape, old.lr);
  const AxisMap& rows = maps[0];
  if (!rows.from.empty()) {
    for (double& x : grown.lr) x *= detail::geometric_mean(rows.weight) * detail::geometric_mean(rows.scale);
    grown.eps.clear();
    for (std::size_t i = 0; i < rows.from.size(); ++i)
      grown.eps.push_back(rows.gradient[i] / detail::scale_of(rows, i) *
                          (old.eps.size() == 1 ? old.eps[0] : old.eps[std::size_t(rows.from[i])]));
  }
  for (double& x : grown.eps) x *= rest_eps;
  return Multipliers{.lr = detail::shortest(std::move(grown.lr)), .eps = detail::shortest(std::move(grown.eps))};
}

}  // namespace modelgrow::inline v0
