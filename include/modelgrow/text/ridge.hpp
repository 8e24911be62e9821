// SPDX-License-Identifier: MIT
// Ridge regression from one kind of state to another: closed form, one pass over the pairs, in double.
#pragma once
#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/backend/cpu/least_squares.hpp>
#include <modelgrow/core/affine_map.hpp>
#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

/// Means and centred second moments of pairs (x, y): all that a fit and its R^2 need, whatever the number of pairs.
class PairMoments {
 public:
  /// Throws shape_error unless both widths are positive.
  PairMoments(std::int64_t from, std::int64_t to) : from_(from), to_(to) {
    if (from <= 0 || to <= 0)
      throw shape_error("pairs of width " + std::to_string(from) + " and " + std::to_string(to) +
                        "; expected the widths of two text encoders");
    mean_x_.resize(std::size_t(from));
    mean_y_.resize(std::size_t(to));
    xx_.resize(std::size_t(from * from));
    xy_.resize(std::size_t(from * to));
    yy_.resize(std::size_t(to));
  }
  std::int64_t count() const { return count_; }

  /// Adds pairs x [n, from], y [n, to], row by row; the moments of both sets are joined about the common mean (Chan et
  /// al. 1979). Throws shape_error and format_error, with nothing added.
  void add(std::span<const double> x, std::span<const double> y) {
    const auto n = std::int64_t(x.size()) / from_;
    if (std::int64_t(x.size()) != n * from_ || std::int64_t(y.size()) != n * to_)
      throw shape_error(std::to_string(x.size()) + " and " + std::to_string(y.size()) +
                        " values are no pairs of width " + std::to_string(from_) + " and " + std::to_string(to_));
    check_finite(x, from_, "read");
    check_finite(y, to_, "wanted");
    if (n == 0) return;
    auto [dx, cx] = centred(x, from_);
    auto [dy, cy] = centred(y, to_);
    cpu::add_products(n, from_, cx.data(), from_, cx.data(), xx_.data());
    cpu::add_products(n, from_, cx.data(), to_, cy.data(), xy_.data());
    for (std::size_t i = 0; i < cy.size(); ++i) yy_[i % yy_.size()] += cy[i] * cy[i];
    for (std::size_t i = 0; i < dx.size(); ++i) dx[i] -= mean_x_[i];
    for (std::size_t i = 0; i < dy.size(); ++i) dy[i] -= mean_y_[i];
    const double between = double(count_) * double(n) / double(count_ + n), share = double(n) / double(count_ + n);
    for (std::size_t i = 0; i < dx.size(); ++i) {
      for (std::size_t j = 0; j < dx.size(); ++j) xx_[i * dx.size() + j] += between * dx[i] * dx[j];
      for (std::size_t j = 0; j < dy.size(); ++j) xy_[i * dy.size() + j] += between * dx[i] * dy[j];
      mean_x_[i] += share * dx[i];
    }
    for (std::size_t j = 0; j < dy.size(); ++j) {
      yy_[j] += between * dy[j] * dy[j];
      mean_y_[j] += share * dy[j];
    }
    count_ += n;
  }

  /// The map that minimises |y - (W x + b)|^2 + lambda s |W|^2 over all pairs, where s is the mean diagonal element
  /// of the centred X^T X, so that lambda has no unit. Throws format_error for fewer than two pairs, lambda below zero,
  /// states x that do not vary, and states that are linearly dependent (within rounding) when lambda does not separate
  /// them. The map knows its R^2 on these pairs; say that of others (`map.r_squared = held_out.r_squared(map)`).
  AffineMap ridge(double lambda) const {
    if (!(lambda >= 0 && std::isfinite(lambda)))
      throw format_error("ridge: lambda is " + std::to_string(lambda) + "; expected a number from 0");
    if (count_ < 2 || (lambda == 0 && count_ <= from_))
      throw format_error("ridge: " + std::to_string(count_) + " pairs are too few for states of width " +
                         std::to_string(from_) + ": " +
                         (count_ < 2 ? "align more captions" : "align more captions, or give a lambda above 0"));
    std::vector<double> a = xx_, w = xy_;
    double trace = 0, square = 0;
    for (std::int64_t i = 0; i < from_; ++i) trace += xx_[std::size_t(i * from_ + i)];
    for (const double m : mean_x_) square += m * m;
    if (!(trace > 1e-24 * double(count_) * square))  // the means are rounded
      throw format_error("ridge: the " + std::to_string(count_) +
                         " states that are read do not vary: take more captions, or check the text encoder");
    for (std::int64_t i = 0; i < from_; ++i) a[std::size_t(i * from_ + i)] += lambda * trace / double(from_);
    if (!cpu::solve_positive(from_, a.data(), to_, w.data()))
      throw format_error("ridge: the " + std::to_string(from_) + " channels of the " + std::to_string(count_) +
                         " states are linearly dependent: give a larger lambda, or more captions");
    AffineMap map{.from = from_, .to = to_, .weight = std::vector<double>(w.size()), .bias = mean_y_};
    for (std::int64_t i = 0; i < from_; ++i)
      for (std::int64_t j = 0; j < to_; ++j) {
        const double v = w[std::size_t(i * to_ + j)];
        map.weight[std::size_t(j * from_ + i)] = v;
        map.bias[std::size_t(j)] -= v * mean_x_[std::size_t(i)];
      }
    if (std::any_of(yy_.begin(), yy_.end(), [](double v) { return v > 0; })) map.r_squared = r_squared(map);
    return map;
  }

  /// The share of the variance of y, summed over its channels, that a map explains: 1 is all, 0 what their mean
  /// explains. Throws shape_error for a map of other widths, format_error without pairs and when y does not vary.
  double r_squared(const AffineMap& map) const {
    if (map.from != from_ || map.to != to_)
      throw shape_error("a map from width " + std::to_string(map.from) + " to " + std::to_string(map.to) +
                        " cannot be judged by pairs of width " + std::to_string(from_) + " and " + std::to_string(to_));
    if (count_ == 0) throw format_error("R^2 of no pairs: add the pairs that the map is to be judged by");
    double total = 0, residual = 0;  // the residual without the total
    for (const double v : yy_) total += v;
    if (!(total > 0))
      throw format_error("R^2 of " + std::to_string(count_) +
                         " pairs: the wanted states do not vary: take more captions");
    // |y - W x - b|^2 summed: yy - 2 W xy + W xx W^T, and the square of what the means leave.
    const auto n = std::size_t(from_), m = std::size_t(to_);
    std::vector<double> transposed(n * m), xw(n * m);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < m; ++j) transposed[i * m + j] = map.weight[j * n + i];
    cpu::add_products(from_, from_, xx_.data(), to_, transposed.data(), xw.data());
    for (std::size_t i = 0; i < n * m; ++i) residual += transposed[i] * (xw[i] - 2 * xy_[i]);
    for (std::size_t j = 0; j < m; ++j) {
      double mean = map.bias[j] - mean_y_[j];
      for (std::size_t i = 0; i < n; ++i) mean += map.weight[j * n + i] * mean_x_[i];
      residual += double(count_) * mean * mean;
    }
    return -residual / total;
  }

 private:
  static void check_finite(std::span<const double> values, std::int64_t width, const char* which) {
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!std::isfinite(values[i]))
        throw format_error("pair " + std::to_string(std::int64_t(i) / width) + ": channel " +
                           std::to_string(std::int64_t(i) % width) + " of the " + which +
                           " state is not finite: the text encoder overflowed, or its weights are damaged");
  }
  /// Mean of the rows, and the rows without it.
  static std::pair<std::vector<double>, std::vector<double>> centred(std::span<const double> rows, std::int64_t width) {
    const auto n = std::size_t(width), count = rows.size() / n;
    std::vector<double> mean(n), rest(rows.begin(), rows.end());
    for (std::size_t i = 0; i < rows.size(); ++i) mean[i % n] += rows[i];
    for (double& m : mean) m /= double(count);
    for (std::size_t i = 0; i < rest.size(); ++i) rest[i] -= mean[i % n];
    return {std::move(mean), std::move(rest)};
  }

  std::int64_t from_, to_, count_ = 0;
  std::vector<double> mean_x_, mean_y_, xx_, xy_, yy_;  // yy: of each channel alone
};

}  // namespace modelgrow::inline v0
