// SPDX-License-Identifier: MIT
// Seeds of streams: apart from each other, the same for ever, and small enough for JSON.
#include <modelgrow/train/seeds.hpp>

#include <set>

#include "tests/support/catch.hpp"

namespace mg = modelgrow;

TEST_CASE("every stream of every seed has a seed of its own, which JSON readers keep") {
  std::set<std::uint64_t> all;
  for (std::uint64_t seed = 0; seed < 100; ++seed)
    for (const char* stream : {"weights", "clips", "noise", ""}) all.insert(mg::stream_seed(seed, stream));
  CHECK(all.size() == 400);
  for (const auto seed : all) CHECK(std::uint64_t(double(seed)) == seed);
  static_assert(mg::stream_seed(1, "weights") == mg::stream_seed(1, "weights"));
}
