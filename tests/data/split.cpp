// SPDX-License-Identifier: MIT
// The split depends on the key alone and its hash never changes.
#include <cmath>
#include <string>

#include <modelgrow/data/split.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

TEST_CASE("known keys stay on their side for ever") {
  std::string sides;
  for (int i = 0; i < 40; ++i) sides += mg::split_of("clip" + std::to_string(i), 0.25) == mg::Split::train ? 't' : 'v';
  CHECK(sides == "tttttttvvvtttttttttvvttvtvtttvtttttvvvtt");
}

TEST_CASE("about the asked fraction is validation, and a larger fraction keeps the smaller one's keys") {
  int small = 0, large = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string key = std::to_string(i);
    const bool in_small = mg::split_of(key, 0.1) == mg::Split::validation;
    const bool in_large = mg::split_of(key, 0.3) == mg::Split::validation;
    REQUIRE((!in_small || in_large));
    small += in_small;
    large += in_large;
  }
  CHECK(std::abs(small - 2000) < 5 * std::sqrt(20000 * 0.1 * 0.9));
  CHECK(std::abs(large - 6000) < 5 * std::sqrt(20000 * 0.3 * 0.7));
}

TEST_CASE("indices of both sides cover the samples once; another seed splits otherwise") {
  std::vector<mg::Sample> samples(200);
  for (int i = 0; i < 200; ++i) samples[i].key = std::to_string(i);
  const auto train = mg::split_indices(samples, mg::Split::train, 0.5);
  const auto validation = mg::split_indices(samples, mg::Split::validation, 0.5);
  std::vector<int> seen(200);
  for (auto i : train) ++seen[i];
  for (auto i : validation) ++seen[i];
  CHECK(seen == std::vector<int>(200, 1));
  CHECK(validation != mg::split_indices(samples, mg::Split::validation, 0.5, 1));
  CHECK(mg::split_indices(samples, mg::Split::validation, 0).empty());
  CHECK(mg::split_indices(samples, mg::Split::train, 1).empty());
}

TEST_CASE("fractions outside 0 to 1 are refused") {
  CHECK_THROWS_AS(mg::split_of("a", -0.1), mg::shape_error);
  CHECK_THROWS_AS(mg::split_of("a", 1.5), mg::shape_error);
  CHECK_THROWS_AS(mg::split_of("a", std::nan("")), mg::shape_error);
}
