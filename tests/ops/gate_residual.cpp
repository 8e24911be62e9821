// SPDX-License-Identifier: MIT
// Gated residual sums: gradients, a zero gate, shapes that differ.
#include <modelgrow/ops/gate_residual.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("gate_residual has the gradients of its formula") {
  check_gradients({random_tensor({2, 3, 9}, 1), random_tensor({2, 3, 9}, 2), random_tensor({2, 6, 9}, 3)},
                  [](auto& tape, const auto& v) { return gate_residual(tape, v[0], v[1], v[2], 4); });
  check_gradients({random_tensor({3, 2, 2, 5}, 1), random_tensor({3, 2, 2, 5}, 2), random_tensor({3, 1, 5}, 3)},
                  [](auto& tape, const auto& v) { return gate_residual(tape, v[0], v[1], v[2], 0); });
}

TEST_CASE("a branch that is its own residual stream gets both gradients") {
  check_gradients({random_tensor({2, 3, 4}, 1), random_tensor({2, 2, 4}, 3)},
                  [](auto& tape, const auto& v) { return gate_residual(tape, v[0], v[0], v[1], 1); });
}

TEST_CASE("a zero gate leaves the residual stream as it is, bit by bit") {
  const auto x = random_tensor({2, 3, 4}, 1);
  const auto y = evaluate({x, random_tensor({2, 3, 4}, 2), Tensor<double, Cpu>::zeros({2, 1, 4})},
                          [](auto& tape, const auto& v) { return gate_residual(tape, v[0], v[1], v[2], 0); });
  CHECK(relative_error(y, x) == 0);
}

TEST_CASE("gate_residual refuses a branch of another shape and a slot that is not there") {
  DoubleTape tape;
  const auto x = tape.constant(random_tensor({2, 3, 5}, 1)), m = tape.constant(random_tensor({2, 2, 5}, 2));
  const auto branch = tape.constant(random_tensor({2, 4, 5}, 2));
  CHECK(says(message_of<shape_error>([&] { gate_residual(tape, x, branch, m, 0); }), "[gate_residual]", "[2, 4, 5]"));
  CHECK(says(message_of<shape_error>([&] { gate_residual(tape, x, x, m, -1); }), "[gate_residual]", "slot -1"));
}
