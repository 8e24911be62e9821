// SPDX-License-Identifier: MIT
// Dense algebra in double that a fill needs, without a backend: a product, and solutions of least norm by two QR
// factorisations.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include <modelgrow/core/parallel.hpp>

namespace modelgrow::inline v0::detail {

/// a[n, m] b[m, k], row by row.
inline std::vector<double> product(std::int64_t n, std::int64_t m, std::int64_t k, const double* a, const double* b) {
  std::vector<double> c(std::size_t(n * k), 0.0);
  constexpr std::int64_t band = 64;  // rows of b that stay in the cache
  parallel_for(n, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = 0; first < m; first += band)
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t j = first; j < std::min(m, first + band); ++j) {
          const double x = a[i * m + j];
          const double* from = b + j * k;
          double* to = c.data() + i * k;
          for (std::int64_t q = 0; q < k; ++q) to[q] += x * from[q];
        }
  });
  return c;
}

/// A Householder factorisation of a matrix of which each column is a vector.
class Reflections {
 public:
  /// Columns are taken in order of what is left of them (`pivoted`) until that falls below `threshold` of the first.
  Reflections(std::vector<std::vector<double>> columns, bool pivoted, double threshold)
      : r_(std::move(columns)), order_(r_.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    const std::size_t rows = r_.empty() ? 0 : r_[0].size(), most = std::min(rows, r_.size());
    double largest = 0;
    for (std::size_t s = 0; s < most; ++s) {
      if (pivoted) bring_longest(s);
      const auto v = std::span(r_[s]).subspan(s);
      const double length = std::sqrt(dot(v, v));
      if (s == 0) largest = length;
      if (!(length > threshold * largest) || length == 0) break;
      // v becomes the direction of the reflection, scaled so that its first element is 1; r_[s][s] the result.
      const double corner = v[0] > 0 ? -length : length, pivot = v[0] - corner;
      for (double& x : v.subspan(1)) x /= pivot;
      factor_.push_back(-pivot / corner);
      v[0] = corner;
      parallel_for(std::int64_t(r_.size() - s - 1), 16, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t c = begin; c < end; ++c) reflect(s, r_[s + 1 + std::size_t(c)]);
      });
    }
  }
  std::size_t rank() const { return factor_.size(); }
  const std::vector<std::size_t>& order() const { return order_; }
  /// Element of the triangle.
  double r(std::size_t row, std::size_t column) const { return r_[column][row]; }
  /// Q^T x, and Q x.
  void transposed(std::vector<double>& x) const {
    for (std::size_t s = 0; s < rank(); ++s) reflect(s, x);
  }
  void apply(std::vector<double>& x) const {
    for (std::size_t s = rank(); s-- > 0;) reflect(s, x);
  }

 private:
  static double dot(std::span<const double> a, std::span<const double> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  }
  void reflect(std::size_t s, std::vector<double>& x) const {
    const auto v = std::span(r_[s]).subspan(s + 1);
    const auto rest = std::span(x).subspan(s + 1);
    const double scale = factor_[s] * (x[s] + dot(v, rest));
    x[s] -= scale;
    for (std::size_t i = 0; i < v.size(); ++i) rest[i] -= scale * v[i];
  }
  void bring_longest(std::size_t s) {
    std::vector<double> left(r_.size() - s);
    parallel_for(std::int64_t(left.size()), 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c) {
        const auto rest = std::span<const double>(r_[s + std::size_t(c)]).subspan(s);
        left[std::size_t(c)] = dot(rest, rest);
      }
    });
    const auto longest = s + std::size_t(std::max_element(left.begin(), left.end()) - left.begin());
    std::swap(r_[s], r_[longest]);
    std::swap(order_[s], order_[longest]);
  }

  std::vector<std::vector<double>> r_;
  std::vector<std::size_t> order_;
  std::vector<double> factor_;
};

/// x[m, k]: of the solutions of min |a x - b| for a[n, m], b[n, k] the smallest. Directions in which `a` is below
/// `threshold` of its largest pivot count as zero.
inline std::vector<double> least_norm(std::int64_t n, std::int64_t m, const double* a, std::int64_t k, const double* b,
                                      double threshold) {
  const auto rows = std::size_t(n), columns = std::size_t(m), sides = std::size_t(k);
  std::vector<std::vector<double>> by_column(columns, std::vector<double>(rows));
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) by_column[j][i] = a[i * columns + j];
  const Reflections outer(std::move(by_column), true, threshold);
  const std::size_t rank = outer.rank();
  std::vector<std::vector<double>> kept(rank, std::vector<double>(columns, 0.0));  // rows of the triangle, as columns
  for (std::size_t i = 0; i < rank; ++i)
    for (std::size_t j = i; j < columns; ++j) kept[i][j] = outer.r(i, j);
  const Reflections inner(std::move(kept), false, 0);
  std::vector<double> x(columns * sides, 0.0);
  for (std::size_t side = 0; side < sides; ++side) {
    std::vector<double> right(rows), z(columns, 0.0);
    for (std::size_t i = 0; i < rows; ++i) right[i] = b[i * sides + side];
    outer.transposed(right);
    for (std::size_t i = 0; i < rank; ++i) {  // the triangle of `inner` is upper, and stands transposed
      double sum = right[i];
      for (std::size_t j = 0; j < i; ++j) sum -= inner.r(j, i) * z[j];
      z[i] = sum / inner.r(i, i);
    }
    inner.apply(z);
    for (std::size_t j = 0; j < columns; ++j) x[outer.order()[j] * sides + side] = z[j];
  }
  return x;
}

}  // namespace modelgrow::inline v0::detail
