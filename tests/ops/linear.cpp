// SPDX-License-Identifier: MIT
// Linear maps: gradients with and without bias, odd sizes, widths that differ.
#include <modelgrow/ops/linear.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("linear has the gradients of its formula") {
  const auto with_bias = [](auto& tape, const auto& v) { return linear(tape, v[0], v[1], v[2]); };
  check_gradients({random_tensor({3, 4, 5}, 1), random_tensor({7, 5}, 2), random_tensor({7}, 3)}, with_bias);
  check_gradients({random_tensor({1, 17}, 1), random_tensor({3, 17}, 2), random_tensor({3}, 3)}, with_bias);
  check_gradients({random_tensor({2, 6}, 1), random_tensor({1, 6}, 2)},
                  [](auto& tape, const auto& v) { return linear(tape, v[0], v[1]); });
}

TEST_CASE("linear refuses widths that differ") {
  DoubleTape tape;
  const auto x = tape.constant(random_tensor({2, 3}, 1)), w = tape.constant(random_tensor({4, 5}, 2));
  const auto fits = tape.constant(random_tensor({4, 3}, 2)), b = tape.constant(random_tensor({3}, 3));
  CHECK(says(message_of<shape_error>([&] { linear(tape, x, w); }), "[linear]", "[2, 3]", "[4, 5]"));
  CHECK(says(message_of<shape_error>([&] { linear(tape, x, fits, b); }), "[linear]", "bias", "[3]", "[4]"));
}
