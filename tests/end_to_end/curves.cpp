// SPDX-License-Identifier: MIT
// What the growth study makes of its runs: means, ranges, and the point where growth pays.
#include <examples/support/curves.hpp>
#include <tests/support/catch.hpp>

using namespace example;

TEST_CASE("mean and range of runs are taken at the points of the first") {
  const Band band({{{0, 1, 2}, {3, 2, 1}}, {{0, 2}, {5, 1}}});
  CHECK(band.mean.y == std::vector<double>{4, 2.5, 1});
  CHECK(band.low == std::vector<double>{3, 2, 1});
  CHECK(band.high == std::vector<double>{5, 3, 1});
}

TEST_CASE("a crossing is where a curve falls below another for good") {
  const Curve flat{{0, 10}, {1, 1}};
  CHECK(*crossing({{0, 2, 4, 6}, {1, 2, 0, 0}}, flat) == 3);
  CHECK(*crossing({{0, 2, 4, 6, 8}, {1, 0, 2, 0, 0}}, flat) == 5);  // below, above, below
  CHECK(*crossing({{0, 2, 4}, {1, 0.9, 0.8}}, flat) == 0);          // below from the start that both share
  CHECK_FALSE(crossing({{0, 2, 4}, {1, 0.5, 1.5}}, flat));
  CHECK_FALSE(crossing({{0, 2, 4}, {1, 1, 1}}, flat));
}
