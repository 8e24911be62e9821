// SPDX-License-Identifier: MIT
// Sums: gradients, an operand used twice, shapes that differ.
#include <modelgrow/ops/add.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("add passes the gradient to both operands") {
  check_gradients({random_tensor({2, 9}, 1), random_tensor({2, 9}, 2)},
                  [](auto& tape, const auto& v) { return add(tape, v[0], v[1]); });
}

TEST_CASE("a value added to itself gets both gradients") {
  check_gradients({random_tensor({3, 5}, 1)}, [](auto& tape, const auto& v) { return add(tape, v[0], v[0]); });
}

TEST_CASE("add refuses different shapes") {
  DoubleTape tape;
  const auto a = tape.constant(random_tensor({2, 3}, 1)), b = tape.constant(random_tensor({3}, 2));
  CHECK(says(message_of<shape_error>([&] { add(tape, a, b); }), "[add]", "[3]", "[2, 3]"));
}
