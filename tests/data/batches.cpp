// SPDX-License-Identifier: MIT
// Batches: every epoch a permutation, different each time, evenly mixed, and addressable at any step.
#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include <modelgrow/data/batches.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
std::vector<std::size_t> epoch(const mg::Batches& batches, std::uint64_t which) {
  std::vector<std::size_t> order(batches.samples());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = batches.sample(which * order.size() + i);
  return order;
}
}  // namespace

TEST_CASE("each epoch visits every sample once, in another order") {
  for (std::uint64_t n : {1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 734, 1000}) {
    const mg::Batches batches(n, 3, 7);
    std::set<std::vector<std::size_t>> orders;
    for (std::uint64_t e = 0; e < 8; ++e) {
      auto order = epoch(batches, e);
      orders.insert(order);
      std::sort(order.begin(), order.end());
      std::vector<std::size_t> all(n);
      std::iota(all.begin(), all.end(), 0);
      REQUIRE(order == all);
    }
    if (n > 10) CHECK(orders.size() == 8);
    if (n > 2 && n <= 10) CHECK(orders.size() > 2);
  }
}

TEST_CASE("a step is a function of seed and number: resuming equals running through") {
  const mg::Batches batches(100, 7, 3);
  std::vector<std::size_t> through;
  for (std::uint64_t s = 0; s < 50; ++s)
    for (auto i : batches.at(s)) through.push_back(i);
  const mg::Batches again(100, 7, 3);
  for (std::uint64_t s : {49, 13, 0, 28})
    CHECK(again.at(s) == std::vector<std::size_t>(through.begin() + 7 * s, through.begin() + 7 * s + 7));
  CHECK(mg::Batches(100, 7, 4).at(0) != batches.at(0));
  // A batch size that does not divide the data set spans epochs: 350 positions are three and a half epochs.
  std::vector<int> visits(100);
  for (auto i : through) ++visits[i];
  CHECK(*std::min_element(visits.begin(), visits.end()) == 3);
  CHECK(*std::max_element(visits.begin(), visits.end()) == 4);
  CHECK(batches.epoch(50) == 3.5);
}

TEST_CASE("the first place of an epoch is uniform over the samples") {
  for (std::uint64_t n : {3, 5, 12, 37}) {
    std::vector<double> counts(n);
    const int epochs = 4000;
    const mg::Batches batches(n, 1, 11);
    for (int e = 0; e < epochs; ++e) ++counts[batches.sample(e * n)];
    double chi_squared = 0;
    for (double c : counts) chi_squared += (c - epochs / double(n)) * (c - epochs / double(n)) / (epochs / double(n));
    CHECK(chi_squared < double(n - 1) + 5 * std::sqrt(2.0 * double(n - 1)) + 5);
  }
}

TEST_CASE("no data or no batch is refused") {
  CHECK_THROWS_AS(mg::Batches(0, 4, 0), mg::shape_error);
  CHECK_THROWS_AS(mg::Batches(4, 0, 0), mg::shape_error);
}
