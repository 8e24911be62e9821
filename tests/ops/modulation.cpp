// SPDX-License-Identifier: MIT
// Modulation vectors: both forms of the time embedding, gradients, shapes that do not fit.
#include <modelgrow/ops/modulation.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("modulation adds the time embedding to the table, slot by slot or shared") {
  const auto table = random_tensor({3, 4}, 1), own = random_tensor({2, 12}, 2), shared = random_tensor({2, 4}, 3);
  const auto f = [](auto& tape, const auto& v) { return modulation(tape, v[0], v[1]); };
  const auto a = evaluate({table, own}, f), b = evaluate({table, shared}, f);
  REQUIRE(a.shape() == Shape{2, 3, 4});
  for (int i = 0; i < 24; ++i) {
    CHECK(a.data()[i] == table.data()[i % 12] + own.data()[i]);
    CHECK(b.data()[i] == table.data()[i % 12] + shared.data()[i / 12 * 4 + i % 4]);
  }
}

TEST_CASE("modulation has the gradients of its formula") {
  const auto f = [](auto& tape, const auto& v) { return modulation(tape, v[0], v[1]); };
  check_gradients({random_tensor({6, 5}, 1), random_tensor({3, 30}, 2)}, f);
  check_gradients({random_tensor({2, 7}, 1), random_tensor({3, 7}, 2)}, f);
  check_gradients({random_tensor({1, 7}, 1), random_tensor({3, 7}, 2)}, f);
}

TEST_CASE("modulation of several blocks is that of each, one behind the other") {
  const auto a = random_tensor({3, 4}, 1), b = random_tensor({3, 4}, 2), t = random_tensor({2, 12}, 3);
  const auto both = [](auto& tape, const auto& v) { return modulation(tape, {v[0], v[1]}, v[2]); };
  const auto one = [](auto& tape, const auto& v) { return modulation(tape, v[0], v[1]); };
  const auto together = evaluate({a, b, t}, both), first = evaluate({a, t}, one), second = evaluate({b, t}, one);
  REQUIRE(together.shape() == Shape{2, 6, 4});
  for (int i = 0; i < 24; ++i) {
    CHECK(together.data()[i / 12 * 24 + i % 12] == first.data()[i]);
    CHECK(together.data()[i / 12 * 24 + 12 + i % 12] == second.data()[i]);
  }
  check_gradients({a, b, t}, both);
  check_gradients({a, b, random_tensor({2, 4}, 4)}, both);
}

TEST_CASE("modulation refuses a time embedding that does not fit the table") {
  DoubleTape tape;
  const auto table = tape.constant(random_tensor({6, 5}, 1)), t = tape.constant(random_tensor({2, 6}, 2));
  CHECK(says(message_of<shape_error>([&] { modulation(tape, table, t); }), "[modulation]", "[2, 6]", "30", "[6, 5]"));
  CHECK_THROWS_AS(modulation(tape, tape.constant(random_tensor({6}, 1)), t), shape_error);
  const auto other = tape.constant(random_tensor({5, 5}, 1));
  CHECK(says(message_of<shape_error>([&] {
               modulation(tape, {table, other}, t);
             }),
             "[modulation]", "[5, 5]", "[6, 5]"));
  CHECK_THROWS_AS(modulation(tape, std::vector<Var<double, Cpu>>{}, t), shape_error);
}
