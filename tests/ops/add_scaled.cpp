// SPDX-License-Identifier: MIT
// A multiple of one value added to another: gradients, and shapes that differ.
#include <modelgrow/ops/add_scaled.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("add_scaled has the gradients of its formula") {
  for (const double factor : {0.0, 1.0, -2.5}) {
    const auto f = [factor](auto& tape, const auto& v) { return add_scaled(tape, v[0], v[1], factor); };
    const Values in{random_tensor({2, 3, 4}, 1), random_tensor({2, 3, 4}, 2)};
    if (factor != 0) check_gradients(in, f);
    const auto y = evaluate(in, f);
    for (int i = 0; i < 24; ++i) CHECK(y.data()[i] == in[0].data()[i] + factor * in[1].data()[i]);
  }
}

TEST_CASE("add_scaled refuses shapes that differ") {
  DoubleTape tape;
  const auto a = tape.constant(random_tensor({2, 3}, 1)), b = tape.constant(random_tensor({3, 2}, 1));
  CHECK(says(message_of<shape_error>([&] { add_scaled(tape, a, b, 2); }), "[add_scaled]", "[3, 2]", "[2, 3]"));
}
