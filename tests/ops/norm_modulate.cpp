// SPDX-License-Identifier: MIT
// Normalisation with modulation: values against the formula, gradients, slots.
#include <modelgrow/ops/norm_modulate.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("norm_modulate normalises, scales and shifts") {
  const auto x = random_tensor({2, 3, 5}, 1), m = random_tensor({2, 6, 5}, 2);
  const auto y = evaluate(
      {x, m}, [](auto& tape, const auto& v) { return norm_modulate(tape, v[0], v[1], {.shift = 3, .scale = 4}); });
  for (int r = 0; r < 6; ++r) {
    double mean = 0, variance = 0;
    for (int c = 0; c < 5; ++c) mean += x.data()[r * 5 + c] / 5;
    for (int c = 0; c < 5; ++c) variance += std::pow(x.data()[r * 5 + c] - mean, 2) / 5;
    for (int c = 0; c < 5; ++c) {
      const double* slots = m.data() + r / 3 * 30;
      const double expected =
          (x.data()[r * 5 + c] - mean) / std::sqrt(variance + 1e-6) * (1 + slots[20 + c]) + slots[15 + c];
      CHECK_THAT(y.data()[r * 5 + c], WithinAbs(expected, 1e-13));
    }
  }
}

TEST_CASE("norm_modulate has the gradients of its formula") {
  const auto first = [](auto& tape, const auto& v) { return norm_modulate(tape, v[0], v[1]); };
  check_gradients({random_tensor({2, 3, 9}, 1), random_tensor({2, 2, 9}, 2)}, first);
  check_gradients({random_tensor({1, 2, 3, 17}, 3), random_tensor({1, 6, 17}, 4)}, [](auto& tape, const auto& v) {
    return norm_modulate(tape, v[0], v[1], {.shift = 5, .scale = 2}, 1e-3);
  });
  check_gradients({random_tensor({3, 4, 2}, 5), random_tensor({3, 2, 2}, 6)}, first);
}

TEST_CASE("norm_modulate refuses modulations that do not fit") {
  DoubleTape tape;
  const auto x = tape.constant(random_tensor({2, 3, 5}, 1)), m = tape.constant(random_tensor({2, 2, 5}, 2));
  const auto other = tape.constant(random_tensor({2, 2, 4}, 2)), vector = tape.constant(random_tensor({5}, 2));
  CHECK(says(message_of<shape_error>([&] { norm_modulate(tape, x, other); }), "[norm_modulate]", "[2, 2, 4]",
             "[2, *, 5]"));
  CHECK(says(message_of<shape_error>([&] { norm_modulate(tape, x, m, {.shift = 0, .scale = 2}); }), "slot 2",
             "[2, 2, 5]"));
  CHECK(says(message_of<shape_error>([&] { norm_modulate(tape, vector, m); }), "[batch, .., channels]"));
}
