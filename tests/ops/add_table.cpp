// SPDX-License-Identifier: MIT
// Position tables along space and time.
#include <modelgrow/ops/add_table.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("add_table adds the row of the position or of the frame") {
  const auto x = random_tensor({2, 3, 4, 5}, 1), space = random_tensor({4, 5}, 2), time = random_tensor({3, 5}, 3);
  const auto s =
      evaluate({x, space}, [](auto& tape, const auto& v) { return add_table(tape, v[0], v[1], Along::space); });
  const auto t =
      evaluate({x, time}, [](auto& tape, const auto& v) { return add_table(tape, v[0], v[1], Along::time); });
  for (int i = 0; i < 120; ++i) {
    CHECK(s.data()[i] == x.data()[i] + space.data()[i % 20]);
    CHECK(t.data()[i] == x.data()[i] + time.data()[i / 20 % 3 * 5 + i % 5]);
  }
}

TEST_CASE("add_table has gradients for input and table") {
  const auto x = random_tensor({2, 3, 4, 5}, 1);
  check_gradients({x, random_tensor({4, 5}, 2)},
                  [](auto& tape, const auto& v) { return add_table(tape, v[0], v[1], Along::space); });
  check_gradients({x, random_tensor({3, 5}, 3)},
                  [](auto& tape, const auto& v) { return add_table(tape, v[0], v[1], Along::time); });
}

TEST_CASE("add_table refuses a table of the other direction") {
  DoubleTape tape;
  const auto x = tape.constant(random_tensor({2, 3, 4, 5}, 1)), table = tape.constant(random_tensor({4, 5}, 2));
  CHECK(says(message_of<shape_error>([&] { add_table(tape, x, table, Along::time); }), "[add_table]", "[4, 5]",
             "[3, 5]"));
}
