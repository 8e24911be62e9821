// SPDX-License-Identifier: MIT
// Denormal numbers count as 0 where that was asked for, in every thread, and nowhere else.
#include <modelgrow/core/denormals.hpp>
#include <modelgrow/core/parallel.hpp>

#include <limits>
#include <stdexcept>
#include <vector>

#include "tests/support/catch.hpp"

using namespace modelgrow;

namespace {

/// Half of the smallest normal number, computed where and how it is asked for.
float half_of_smallest() {
  volatile float smallest = std::numeric_limits<float>::min();
  return smallest * 0.5f;
}

/// How many of 256 chunks, spread over the threads, see nothing in it.
int zeros() {
  std::vector<float> halves(256);
  parallel_for(256, 1, [&](std::int64_t begin, std::int64_t) { halves[std::size_t(begin)] = half_of_smallest(); });
  return int(std::ranges::count(halves, 0.0f));
}

}  // namespace

TEST_CASE("denormal numbers are 0 for as long as that is asked for, in all threads") {
  CHECK(half_of_smallest() > 0);
  CHECK(zeros() == 0);
  {
    const FlushDenormals flush;
    CHECK(half_of_smallest() == 0);
    CHECK(zeros() == 256);
    const FlushDenormals again;
    CHECK(zeros() == 256);
  }
  CHECK(half_of_smallest() > 0);
  CHECK(zeros() == 0);
}

TEST_CASE("an exception ends it too, and a denormal number that comes from elsewhere is 0 as well") {
  volatile float denormal = std::numeric_limits<float>::denorm_min();
  CHECK_THROWS_AS(
      [&] {
        const FlushDenormals flush;
        CHECK(denormal * 1e30f == 0);
        throw std::runtime_error("the middle of a step");
      }(),
      std::runtime_error);
  CHECK(denormal * 1e30f > 0);
}
