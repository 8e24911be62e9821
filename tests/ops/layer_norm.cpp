// SPDX-License-Identifier: MIT
// LayerNorm: gradients with and without gain and bias, shapes that do not fit.
#include <modelgrow/ops/layer_norm.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("layer_norm gives rows of mean zero and variance one, then gain and bias") {
  const auto x = random_tensor({4, 33}, 1, 5.0), gain = random_tensor({33}, 2), bias = random_tensor({33}, 3);
  const auto plain = evaluate({x}, [](auto& tape, const auto& v) { return layer_norm(tape, v[0], 0.0); });
  const auto affine =
      evaluate({x, gain, bias}, [](auto& tape, const auto& v) { return layer_norm(tape, v[0], v[1], v[2], 0.0); });
  for (int r = 0; r < 4; ++r) {
    double mean = 0, square = 0;
    for (int c = 0; c < 33; ++c) {
      const double v = plain.data()[r * 33 + c];
      mean += v / 33, square += v * v / 33;
      CHECK_THAT(affine.data()[r * 33 + c], WithinAbs(v * gain.data()[c] + bias.data()[c], 1e-13));
    }
    CHECK_THAT(mean, WithinAbs(0, 1e-14));
    CHECK_THAT(square, WithinAbs(1, 1e-13));
  }
}

TEST_CASE("layer_norm has the gradients of its formula") {
  check_gradients({random_tensor({2, 3, 9}, 1), random_tensor({9}, 2), random_tensor({9}, 3)},
                  [](auto& tape, const auto& v) { return layer_norm(tape, v[0], v[1], v[2], 1e-5); });
  check_gradients({random_tensor({5, 17}, 1)}, [](auto& tape, const auto& v) { return layer_norm(tape, v[0]); });
}

TEST_CASE("layer_norm refuses gains of another width and a gain without bias") {
  DoubleTape tape;
  const auto x = tape.constant(random_tensor({2, 5}, 1)), five = tape.constant(random_tensor({5}, 2));
  const auto four = tape.constant(random_tensor({4}, 2));
  CHECK(says(message_of<shape_error>([&] { layer_norm(tape, x, four, five); }), "[layer_norm]", "gain", "[4]", "[5]"));
  CHECK(says(message_of<shape_error>([&] { layer_norm(tape, x, five, four); }), "bias", "[4]", "[5]"));
  CHECK(says(message_of<shape_error>([&] { layer_norm(tape, x, five, {}); }), "both or neither"));
}
