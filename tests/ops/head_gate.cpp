// SPDX-License-Identifier: MIT
// Gates of attention heads: gradients, a zero gate, heads that do not fit.
#include <modelgrow/ops/head_gate.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
const auto gated = [](auto& tape, const auto& v) { return head_gate(tape, v[0], v[1]); };
}

TEST_CASE("head_gate has the gradients of its formula") {
  check_gradients({random_tensor({2, 3, 8}, 1), random_tensor({4}, 2)}, gated);
  check_gradients({random_tensor({2, 2, 3, 15}, 3), random_tensor({3}, 4)}, gated);
  const auto x = random_tensor({2, 6}, 5), gate = random_tensor({3}, 6);
  const auto y = evaluate({x, gate}, gated);
  for (int i = 0; i < 12; ++i)
    CHECK_THAT(y.data()[i], WithinRel(x.data()[i] * std::tanh(gate.data()[i % 6 / 2]), 1e-14));
}

TEST_CASE("a zero gate lets nothing through and has a gradient") {
  const Values in{random_tensor({2, 3, 8}, 1), Tensor<double, Cpu>::zeros({4})};
  const auto y = evaluate(in, gated);
  for (int i = 0; i < 48; ++i) CHECK(y.data()[i] == 0);
  const auto g = gradients(in, random_tensor({2, 3, 8}, 2), gated, {true, true});
  for (int i = 0; i < 48; ++i) CHECK(g[0].data()[i] == 0);
  for (int h = 0; h < 4; ++h) CHECK(std::abs(g[1].data()[h]) > 1e-3);
}

TEST_CASE("head_gate refuses heads that do not divide the width") {
  DoubleTape tape;
  const auto x = tape.constant(random_tensor({2, 8}, 1));
  CHECK(says(message_of<shape_error>([&] { head_gate(tape, x, tape.constant(random_tensor({3}, 1))); }), "[head_gate]",
             "[2, 8]", "3 heads"));
  CHECK_THROWS_AS(head_gate(tape, x, x), shape_error);
}
