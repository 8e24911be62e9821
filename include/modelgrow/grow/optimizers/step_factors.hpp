// SPDX-License-Identifier: MIT
// The factors on rate, epsilon and weight decay that let a grown parameter follow the trajectory of the small one: its
// step has to become as its weights did.
#pragma once
#include <cmath>
#include <optional>

#include <modelgrow/grow/optimizer_state.hpp>
#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

/// A factor of every element of a parameter, seen as a matrix [first axis, product of the others]: rows[i] columns[j].
/// Vectors of length 1 count for all indices.
struct Factor {
  std::vector<double> rows{1.0}, columns{1.0};

  double at(std::size_t row, std::size_t column) const {
    return rows[rows.size() == 1 ? 0 : row] * columns[columns.size() == 1 ? 0 : column];
  }
  /// The one value that it has everywhere, if so: what a group of parameters can be given.
  std::optional<double> everywhere() const {
    return rows.size() == 1 && columns.size() == 1 ? std::optional(rows[0] * columns[0]) : std::nullopt;
  }
  bool one() const { return everywhere() == 1.0; }
  bool operator==(const Factor&) const = default;
};

/// The factors of one parameter. Decay is as the optimizer applies it: into the gradient, or times its rate, which
/// has a factor itself.
struct StepFactors {
  Factor rate = {}, epsilon = {}, decay = {};
  bool none() const { return rate.one() && epsilon.one() && decay.one(); }
  bool operator==(const StepFactors&) const = default;
};

namespace detail {

/// Some axes of a tensor as one: new index -> old index, what becomes of weights and of gradients; empty `from`: none
/// of the axes was touched.
struct FactorSide {
  std::vector<std::int64_t> from;
  std::vector<double> weight{1.0}, gradient{1.0};

  void cross(const AxisMap& map, std::int64_t before, std::int64_t after, bool mapped) {
    if (!mapped) return;
    FactorSide next{.from = {}, .weight = {}, .gradient = {}};
    for (std::size_t i = 0; i < from.size(); ++i)
      for (std::int64_t j = 0; j < after; ++j) {
        const auto at = std::size_t(j);
        const bool moves = !map.from.empty();
        const double scale = moves ? scale_of(map, at) : 1.0;
        next.from.push_back(from[i] * before + (moves ? map.from[at] : j));
        next.weight.push_back(weight[i] * (moves ? map.weight[at] * scale : 1.0));
        next.gradient.push_back(gradient[i] * (moves ? map.gradient[at] / scale : 1.0));
      }
    *this = std::move(next);
  }
};

/// The axes [begin, end) of what a recipe makes.
inline FactorSide side_of(const Recipe& r, const std::vector<AxisMap>& maps, std::size_t begin, std::size_t end) {
  const Shape before = shape_of(r.source_axes);
  bool mapped = false;
  for (std::size_t a = begin; a < end; ++a) mapped |= !maps[a].from.empty();
  FactorSide side;
  if (mapped) side.from = {0};
  for (std::size_t a = begin; a < end; ++a) side.cross(maps[a], before[int(a)], r.shape[int(a)], mapped);
  return side;
}

/// values^power of one side, times what the old factor has there.
inline std::vector<double> along(const FactorSide& side, double of_weight, double of_gradient,
                                 const std::vector<double>& old) {
  if (side.from.empty()) return old;
  std::vector<double> all;
  for (std::size_t i = 0; i < side.from.size(); ++i)
    all.push_back(std::pow(side.weight[i], of_weight) * std::pow(side.gradient[i], of_gradient) *
                  (old.size() == 1 ? old[0] : old[std::size_t(side.from[i])]));
  return shortest(std::move(all));
}

/// The size of the elements of an orthogonal matrix of this shape, times what its optimizer makes of the rate.
inline double orthogonal_step(StepLike like, const Shape& shape) {
  const double rows = double(shape[0]), columns = double(numel(shape)) / rows;
  const double adjusted = like == StepLike::orthogonal ? std::sqrt(std::max(1.0, rows / columns))
                                                       : 0.2 * std::sqrt(std::max(rows, columns));
  return adjusted / std::sqrt(rows * columns);
}

}  // namespace detail

/// The factors of a grown parameter; `old` are those of its source.
inline StepFactors step_factors(const OptimizerRule& rule, const Recipe& recipe, const StepFactors& old = {}) {
  const auto maps = detail::factor_maps(recipe);
  if (maps.empty()) return old;
  const auto rows = detail::side_of(recipe, maps, 0, 1), columns = detail::side_of(recipe, maps, 1, maps.size());
  const auto factor = [&](double of_weight, double of_gradient, const Factor& before) {
    Factor f{.rows = detail::along(rows, of_weight, of_gradient, before.rows),
             .columns = detail::along(columns, of_weight, of_gradient, before.columns)};
    if (recipe.share != 1)
      for (double& x : f.rows) x *= std::pow(recipe.share, of_gradient);
    return f;
  };
  double weight = 1, gradient = 0, smaller = 1;  // a step without factors, to what it has to be
  if (rule.step == StepLike::gradient) gradient = -1;
  if (rule.step == StepLike::weights) weight = 0;
  if (rule.step == StepLike::orthogonal || rule.step == StepLike::orthogonal_rms)
    smaller = detail::orthogonal_step(rule.step, shape_of(recipe.source_axes)) /
              detail::orthogonal_step(rule.step, recipe.shape);
  if (rule.one_rate) weight = gradient = 0;
  StepFactors grown{
      .rate = factor(weight, gradient, old.rate),
      .epsilon = factor(0, rule.epsilon ? 1 : 0, old.epsilon),
      .decay = rule.decay == DecayKind::coupled ? factor(-1, 1, old.decay) : factor(-weight, -gradient, old.decay)};
  for (double& x : grown.rate.rows) x *= smaller;
  if (rule.decay == DecayKind::decoupled)
    for (double& x : grown.decay.rows) x /= smaller;
  return grown;
}

}  // namespace modelgrow::inline v0
