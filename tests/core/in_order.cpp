// SPDX-License-Identifier: MIT
// Tasks on several threads that take turns in their order, and what they get when one fails.
#include <modelgrow/core/error.hpp>
#include <modelgrow/core/in_order.hpp>
#include <modelgrow/core/parallel.hpp>
#include <tests/support/catch.hpp>
#include <thread>
#include <vector>

using namespace modelgrow;

TEST_CASE("turns are taken in the order of the tasks") {
  InOrder order;
  std::vector<int> seen;
  parallel_tasks(200, 6, [&] {
    return [&](std::int64_t i) {
      if (i % 7 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
      order.guard([&] { order.turn(i, [&] { seen.push_back(int(i)); }); });
    };
  });
  REQUIRE(seen.size() == 200);
  for (int i = 0; i < 200; ++i) CHECK(seen[std::size_t(i)] == i);
}

TEST_CASE("whoever waits for a task that failed gets its exception") {
  for (const bool within : {false, true}) {
    InOrder order;
    const auto run = [&] {
      parallel_tasks(50, 6, [&] {
        return [&](std::int64_t i) {
          order.guard([&] {
            if (i == 3 && !within) throw error("task 3");
            order.turn(i, [&] {
              if (i == 3) throw error("task 3");
            });
          });
        };
      });
    };
    CHECK_THROWS_WITH(run(), "task 3");
  }
}
