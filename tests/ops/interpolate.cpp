// SPDX-License-Identifier: MIT
// A point between two values: gradients, both ends to the bit, and shapes that differ.
#include <modelgrow/ops/interpolate.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
auto at(double weight) {
  return [weight](auto& tape, const auto& v) { return interpolate(tape, v[0], v[1], weight); };
}
const Values inputs{random_tensor({2, 3, 4}, 1), random_tensor({2, 3, 4}, 2)};
}  // namespace

TEST_CASE("interpolate has the gradients of its formula, and its ends are its inputs") {
  check_gradients(inputs, at(0.3));
  const auto first = evaluate(inputs, at(0)), last = evaluate(inputs, at(1)), between = evaluate(inputs, at(0.25));
  for (int i = 0; i < 24; ++i) {
    const double x = inputs[0].data()[i], y = inputs[1].data()[i];
    CHECK(first.data()[i] == x);
    CHECK(last.data()[i] == y);
    CHECK_THAT(between.data()[i], WithinAbs(0.75 * x + 0.25 * y, 1e-15));
  }
}

TEST_CASE("at the ends the whole gradient goes to one input") {
  const auto seed = random_tensor({2, 3, 4}, 3);
  const auto g = gradients(inputs, seed, at(0), {true, true});
  for (int i = 0; i < 24; ++i) {
    CHECK(g[0].data()[i] == seed.data()[i]);
    CHECK(g[1].data()[i] == 0);
  }
  const auto h = gradients(inputs, seed, at(1), {true, true});
  CHECK_FALSE(h[0].defined());
  for (int i = 0; i < 24; ++i) CHECK(h[1].data()[i] == seed.data()[i]);
}

TEST_CASE("interpolate refuses shapes that differ") {
  DoubleTape tape;
  const auto a = tape.constant(random_tensor({2, 3}, 1)), b = tape.constant(random_tensor({3, 2}, 1));
  CHECK(says(message_of<shape_error>([&] { interpolate(tape, a, b, 0.5); }), "[interpolate]", "[3, 2]", "[2, 3]"));
}
