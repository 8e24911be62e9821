// SPDX-License-Identifier: MIT
// Curves of several seeds: their mean and range, and where one falls below another for good.
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace example {

/// Values y over increasing x.
struct Curve {
  std::vector<double> x, y;

  /// Linear between points, constant beyond the ends.
  double at(double where) const {
    const auto after = std::upper_bound(x.begin(), x.end(), where) - x.begin();
    if (after == 0) return y.front();
    if (std::size_t(after) == x.size()) return y.back();
    const double part = (where - x[after - 1]) / (x[after] - x[after - 1]);
    return y[after - 1] + part * (y[after] - y[after - 1]);
  }
};

/// Mean and range of some runs at the points of the first.
struct Band {
  Curve mean;
  std::vector<double> low, high;

  explicit Band(const std::vector<Curve>& runs) {
    mean.x = runs.front().x;
    for (const double x : mean.x) {
      double sum = 0, least = INFINITY, most = -INFINITY;
      for (const auto& run : runs) {
        const double y = run.at(x);
        sum += y;
        least = std::min(least, y);
        most = std::max(most, y);
      }
      mean.y.push_back(sum / double(runs.size()));
      low.push_back(least);
      high.push_back(most);
    }
  }
};

/// The x from which on `curve` stays below `other` to its end; nothing when it ends above. The first point, which both
/// share when a model grows without changing its function, counts for neither.
inline std::optional<double> crossing(const Curve& curve, const Curve& other) {
  const auto above = [&](std::size_t i) { return curve.y[i] - other.at(curve.x[i]); };
  if (curve.x.size() < 2 || above(curve.x.size() - 1) >= 0) return std::nullopt;
  std::size_t i = curve.x.size() - 1;
  while (i > 1 && above(i - 1) < 0) --i;
  const double before = above(i - 1), after = above(i);
  if (before <= 0) return curve.x[i - 1];  // below from the first point on
  return curve.x[i - 1] + (curve.x[i] - curve.x[i - 1]) * before / (before - after);
}

}  // namespace example
