// SPDX-License-Identifier: MIT
// The mean of the valid tokens: gradients, padding that takes no part, shapes that differ.
#include <modelgrow/ops/masked_mean.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("masked_mean has the gradients of its formula, and padding takes no part") {
  const auto lengths = Tensor<std::int32_t, Cpu>::from({2}, std::vector<std::int32_t>{3, 1});
  const auto f = [&](auto& tape, const auto& v) { return masked_mean(tape, v[0], lengths); };
  auto x = random_tensor({2, 3, 5}, 1);
  check_gradients({x}, f);
  check_gradients({x}, [](auto& tape, const auto& v) { return masked_mean(tape, v[0]); });
  const auto y = evaluate({x}, f);
  for (int c = 0; c < 5; ++c) {
    CHECK_THAT(y.data()[c], WithinAbs((x.data()[c] + x.data()[5 + c] + x.data()[10 + c]) / 3, 1e-15));
    CHECK(y.data()[5 + c] == x.data()[15 + c]);
  }
  for (int i = 20; i < 30; ++i) x.data()[i] = 1e30;
  CHECK(relative_error(evaluate({x}, f), y) == 0);
}

TEST_CASE("masked_mean refuses what are no tokens") {
  DoubleTape tape;
  const auto x = tape.constant(random_tensor({2, 3, 5}, 1));
  CHECK(says(message_of<shape_error>([&] { masked_mean(tape, x, Tensor<std::int32_t, Cpu>::zeros({3})); }),
             "[masked_mean]", "lengths", "[2]"));
  CHECK_THROWS_AS(masked_mean(tape, tape.constant(random_tensor({2, 3}, 1))), shape_error);
}
