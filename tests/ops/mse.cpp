// SPDX-License-Identifier: MIT
// The mean squared error: value, gradient, shapes that differ.
#include <modelgrow/ops/mse.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("mse is the mean of squared differences") {
  const auto p = random_tensor({3, 7}, 1), t = random_tensor({3, 7}, 2);
  const auto f = [&](auto& tape, const auto& v) { return mse(tape, v[0], t); };
  double expected = 0;
  for (int i = 0; i < 21; ++i) expected += std::pow(p.data()[i] - t.data()[i], 2) / 21;
  const auto loss = evaluate({p}, f);
  CHECK(loss.shape() == Shape{});
  CHECK_THAT(loss.data()[0], WithinRel(expected, 1e-14));
  check_gradients({p}, f);
}

TEST_CASE("mse refuses a target of another shape") {
  DoubleTape tape;
  const auto p = tape.constant(random_tensor({3, 7}, 1));
  CHECK(says(message_of<shape_error>([&] { mse(tape, p, random_tensor({7, 3}, 2)); }), "[mse]", "[7, 3]", "[3, 7]"));
  CHECK_THROWS_AS(mse(tape, tape.constant(random_tensor({0}, 1)), random_tensor({0}, 1)), shape_error);
}
