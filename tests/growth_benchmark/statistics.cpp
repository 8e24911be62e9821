// SPDX-License-Identifier: MIT
// Student's t against published tables, and the intervals made of it.
#include <benchmarks/growth/statistics.hpp>

#include "tests/support/catch.hpp"

using namespace growth;

TEST_CASE("quantiles of Student's t are those of the tables") {
  struct Row {
    std::int64_t freedom;
    double at_95, at_99;
  };
  const Row rows[] = {{1, 12.7062, 63.6567}, {2, 4.3027, 9.9248}, {3, 3.1824, 5.8409},  {4, 2.7764, 4.6041},
                      {5, 2.5706, 4.0321},   {9, 2.2622, 3.2498}, {10, 2.2281, 3.1693}, {30, 2.0423, 2.7500}};
  for (const auto& row : rows) {
    CHECK_THAT(student_quantile(0.95, row.freedom), WithinAbs(row.at_95, 1e-4));
    CHECK_THAT(student_quantile(0.99, row.freedom), WithinAbs(row.at_99, 1e-4));
  }
  CHECK(std::isinf(student_quantile(0.95, 0)));
}

TEST_CASE("the interval of a mean, and of one value more") {
  const std::vector<double> values{1, 2, 3};
  const Interval i = interval_of(values);
  CHECK(i.mean == 2);
  CHECK_THAT(i.half, WithinAbs(4.3027 / std::sqrt(3.0), 1e-4));
  CHECK_THAT(i.next, WithinAbs(4.3027 * std::sqrt(4.0 / 3.0), 1e-4));
  CHECK_FALSE(i.excludes_zero());
  CHECK(interval_of(std::vector{1.0, 1.1, 0.9}).excludes_zero());
  CHECK(interval_of(std::vector{-1.0, -1.1, -0.9}).excludes_zero());
}

TEST_CASE("one value has no interval, none not even a mean") {
  const Interval one = interval_of(std::vector{5.0});
  CHECK(one.mean == 5);
  CHECK(std::isinf(one.half));
  CHECK_FALSE(one.excludes_zero());
  CHECK(std::isnan(interval_of(std::vector<double>{}).mean));
}

TEST_CASE("differences are paired by seed, and what only one side has counts for nothing") {
  const BySeed a{{1, 10.1}, {2, 20.2}, {3, 30.1}, {9, 500}}, b{{1, 10}, {2, 20}, {3, 30}, {4, 7}};
  const Interval d = paired_difference(a, b);
  CHECK(d.count == 3);
  CHECK_THAT(d.mean, WithinAbs(0.4 / 3, 1e-12));
  // The values lie far apart, their differences do not.
  CHECK_THAT(d.half, WithinAbs(4.302653 * std::sqrt(0.01 / 3) / std::sqrt(3.0), 1e-6));
  CHECK_FALSE(paired_difference(a, {{7, 1}}).excludes_zero());
}
