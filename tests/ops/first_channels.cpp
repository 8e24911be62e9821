// SPDX-License-Identifier: MIT
// The first channels of a prediction: values, gradient, what it refuses.
#include <modelgrow/ops/first_channels.hpp>
#include <modelgrow/ops/mse.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("the first channels of every batch entry are taken") {
  const auto x = random_tensor({2, 5, 3}, 1);
  const auto y = evaluate({x}, [](auto& tape, const auto& v) { return first_channels(tape, v[0], 2); });
  REQUIRE(y.shape() == Shape{2, 2, 3});
  for (int b = 0; b < 2; ++b)
    for (int i = 0; i < 6; ++i) CHECK(y.data()[6 * b + i] == x.data()[15 * b + i]);
}

TEST_CASE("only the channels taken get a gradient") {
  const auto x = random_tensor({2, 5, 3}, 1), target = random_tensor({2, 2, 3}, 2), whole = random_tensor({2, 5, 3}, 3);
  check_gradients({x}, [&](auto& tape, const auto& v) { return mse(tape, first_channels(tape, v[0], 2), target); });
  check_gradients({x}, [&](auto& tape, const auto& v) { return mse(tape, first_channels(tape, v[0], 5), whole); });
}

TEST_CASE("first_channels refuses more channels than there are, none, and what has no channels") {
  DoubleTape tape;
  const auto x = tape.constant(random_tensor({2, 5, 3}, 1)), vector = tape.constant(random_tensor({4}, 1));
  CHECK(says(message_of<shape_error>([&] { first_channels(tape, x, 6); }), "[first_channels]", "6", "[2, 5, 3]"));
  CHECK_THROWS_AS(first_channels(tape, x, 0), shape_error);
  CHECK_THROWS_AS(first_channels(tape, vector, 1), shape_error);
}
