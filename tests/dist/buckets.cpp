// SPDX-License-Identifier: MIT
// Buckets: every row belongs to one rank, ranks get equal shares, and what a unit is does not depend on how many there
// are.
#include <modelgrow/train/buckets.hpp>

#include <numeric>
#include <set>

#include "tests/support/catch.hpp"

namespace mg = modelgrow;

namespace {

// Of very different sizes: a wide row, a long column, a table, single values, one without elements.
const std::vector<mg::MatrixSize> tensors{{1, 5000}, {700, 3},  {64, 64}, {1, 1}, {0, 7},
                                          {13, 1},   {300, 40}, {3, 0},   {5, 1}};

std::int64_t elements() {
  std::int64_t n = 0;
  for (const auto& t : tensors) n += t.rows * t.columns;
  return n;
}

}  // namespace

TEST_CASE("every element of every tensor is in one bucket, from the last tensor to the first") {
  for (const std::int64_t most : {1, 100, 1000, 100000}) {
    std::vector<std::size_t> order;
    for (const mg::Bucket& b : mg::pack_buckets(tensors, most, 3)) {
      CHECK((b.size <= most || b.slots.size() == 1));
      std::int64_t end = 0;
      for (const mg::BucketSlot& s : b.slots) {
        order.push_back(s.tensor);
        CHECK(s.offset >= end);
        CHECK(s.offset % 16 == 0);
        CHECK(s.rows == tensors[s.tensor].rows);
        CHECK(s.columns == tensors[s.tensor].columns);
        end = s.end();
      }
      CHECK(end <= b.size);
    }
    CHECK(order == std::vector<std::size_t>{8, 6, 5, 3, 2, 1, 0});
  }
}

TEST_CASE("every row is that of one rank, and ranks get equal shares but for a unit") {
  for (const std::int64_t most : {1, 100, 1000, 4000, 100000})
    for (const int ranks : {1, 2, 3, 4, 7, 64}) {
      std::vector<std::int64_t> owned(std::size_t(ranks), 0);
      std::int64_t packed = 0, largest_unit = 0;
      for (const mg::Bucket& b : mg::pack_buckets(tensors, most, ranks)) {
        REQUIRE(b.cuts.ranks() == ranks);
        REQUIRE(b.cuts.total() == b.size);
        packed += b.size;
        const auto ends = mg::unit_ends(b);
        for (std::size_t u = 1; u < ends.size(); ++u) largest_unit = std::max(largest_unit, ends[u] - ends[u - 1]);
        for (const mg::BucketSlot& s : b.slots) {
          std::int64_t next = 0;
          for (int r = 0; r < ranks; ++r) {
            const std::int64_t first = s.row_at(b.cuts.begin(r)), last = s.row_at(b.cuts.begin(r) + b.cuts.size(r));
            CHECK(first == next);
            next = last;
            // Whole rows: the part that is sent is the part that is stepped.
            const std::int64_t begin = std::max(b.cuts.begin(r), s.offset);
            const std::int64_t end = std::min(b.cuts.begin(r) + b.cuts.size(r), s.end());
            CHECK((last - first) * s.columns == std::max<std::int64_t>(0, end - begin));
          }
          CHECK(next == s.rows);
        }
        for (int r = 0; r < ranks; ++r) owned[std::size_t(r)] += b.cuts.size(r);
      }
      for (const std::int64_t n : owned)
        CHECK(std::abs(double(n) - double(packed) / ranks) <= double(largest_unit) + 1);
    }
}

TEST_CASE("units and places do not depend on how many ranks there are") {
  const auto alone = mg::pack_buckets(tensors, 1000, 1);
  for (const int ranks : {2, 3, 64}) {
    const auto shared = mg::pack_buckets(tensors, 1000, ranks);
    REQUIRE(shared.size() == alone.size());
    for (std::size_t b = 0; b < alone.size(); ++b) {
      const auto units = mg::unit_ends(alone[b]);
      CHECK(mg::unit_ends(shared[b]) == units);
      for (int r = 0; r < ranks; ++r) CHECK(std::set(units.begin(), units.end()).contains(shared[b].cuts.begin(r)));
    }
  }
}

TEST_CASE("a unit is a 64th of a bucket, or a row where that is longer") {
  for (const mg::Bucket& b : mg::pack_buckets(tensors, 6400, 2))
    for (const mg::BucketSlot& s : b.slots)
      CHECK((s.unit * s.columns < 100 + s.columns && (s.unit == s.rows || s.unit * s.columns >= 100)));
  CHECK(elements() > 6400);
  CHECK(mg::pack_buckets({}, 100, 2).empty());
}
