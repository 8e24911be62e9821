// SPDX-License-Identifier: MIT
// Routing to experts and mixing what they make: formulas, gradients, ties, the load balancing loss, what is refused.
#include <cmath>

#include <modelgrow/ops/also_minimise.hpp>
#include <modelgrow/ops/linear.hpp>
#include <modelgrow/ops/mix_experts.hpp>
#include <modelgrow/ops/mse.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
Tensor<double, Cpu> rows_of(Shape shape, const std::vector<double>& values) {
  return Tensor<double, Cpu>::from(std::move(shape), values);
}
}  // namespace

TEST_CASE("tokens go to the experts of their largest logits, with weights that add up to one") {
  DoubleTape tape;
  const auto logits = tape.constant(rows_of({3, 4}, {1, 3, 2, 0, 5, 5, 5, 5, -900, 900, 0, 899}));
  const auto routing = route(tape, logits, 2);
  const auto* w = routing.weights.data();
  CHECK_THAT(w[0], WithinAbs(1 / (1 + std::exp(-1)), 1e-15));
  for (int r = 0; r < 3; ++r) CHECK_THAT(w[2 * r] + w[2 * r + 1], WithinAbs(1, 1e-15));
  std::vector<std::vector<int>> seen;
  for (const auto& list : *routing.experts)
    for (seen.emplace_back(); const auto& t : list) seen.back().push_back(10 * t.row + t.choice);
  CHECK(seen == std::vector<std::vector<int>>{{10}, {0, 11, 20}, {1}, {21}});  // of equal logits the first
  CHECK(route(tape, logits, 1).weights.data()[2] == 1);
  CHECK(says(message_of<shape_error>([&] { route(tape, logits, 5); }), "[route]", "5 experts", "1 to 4", "[3, 4]"));
  CHECK(says(message_of<shape_error>([&] { route(tape, logits, 0); }), "0 experts"));
}

TEST_CASE("routing and mixing have the gradients of their formulas") {
  const auto logits = random_tensor({7, 5}, 1), x = random_tensor({7, 3}, 2), scales = random_tensor({5, 3}, 3);
  for (const std::int64_t active : {1, 2, 5})
    check_gradients({logits, x}, [&](auto& tape, const auto& v) {
      const auto routing = route(tape, v[0], active);
      std::vector<Var<double, Cpu>> parts(5);
      for (std::size_t e = 0; e < 5; ++e)  // expert e multiplies by a matrix of its own
        if (const auto& seen = (*routing.experts)[e]; !seen.empty()) {
          auto matrix = Tensor<double, Cpu>::zeros({3, 3});
          for (int i = 0; i < 9; ++i) matrix.data()[i] = std::sin(double(i) + scales.data()[3 * e]);
          parts[e] = linear(tape, routed_rows(tape, v[1], seen), tape.constant(matrix));
        }
      return mix_experts(tape, parts, routing);
    });
}

TEST_CASE("equal experts give what one gives, whatever the router") {
  const auto x = random_tensor({50, 6}, 1), w = random_tensor({6, 6}, 2);
  for (const double loud : {1e-3, 1.0, 300.0}) {
    auto router = random_tensor({4, 6}, 3);
    for (double& v : router.span()) v *= loud;
    const auto mixed = evaluate({x, w, router}, [](auto& tape, const auto& v) {
      const auto routing = route(tape, linear(tape, v[0], v[2]), 3);
      std::vector<Var<double, Cpu>> parts;
      for (const auto& seen : *routing.experts)
        parts.push_back(seen.empty() ? Var<double, Cpu>{} : linear(tape, routed_rows(tape, v[0], seen), v[1]));
      return mix_experts(tape, parts, routing);
    });
    const auto dense = evaluate({x, w}, [](auto& tape, const auto& v) { return linear(tape, v[0], v[1]); });
    CHECK(relative_error(mixed, dense) <= 1e-14);
  }
}

TEST_CASE("the load balancing loss is that of Switch Transformer") {
  const auto logits = random_tensor({6, 3}, 6);
  const auto loss = [](auto& tape, const auto& v) { return balance_loss(tape, v[0], route(tape, v[0], 2)); };
  double f[3] = {}, p[3] = {};
  for (int r = 0; r < 6; ++r) {
    const double* l = logits.data() + 3 * r;
    double sum = 0;
    for (int e = 0; e < 3; ++e) sum += std::exp(l[e]);
    const double* least = std::min_element(l, l + 3);
    for (int e = 0; e < 3; ++e) REQUIRE((l + e == least || l[e] - *least > 0.01));  // no choice changes nearby
    for (int e = 0; e < 3; ++e) p[e] += std::exp(l[e]) / sum / 6, f[e] += (l + e != least) / 12.0;
  }
  CHECK_THAT(evaluate({logits}, loss).data()[0], WithinAbs(3 * (f[0] * p[0] + f[1] * p[1] + f[2] * p[2]), 1e-14));
  check_gradients({logits}, loss);
  auto one = Tensor<double, Cpu>::zeros({8, 4});
  CHECK_THAT(evaluate({one}, [](auto& tape, const auto& v) { return balance_loss(tape, v[0], route(tape, v[0], 4)); })
                 .data()[0],
             WithinAbs(1, 1e-15));
  for (int r = 0; r < 8; ++r) one.data()[4 * r + 2] = 100;
  CHECK_THAT(evaluate({one}, [](auto& tape, const auto& v) { return balance_loss(tape, v[0], route(tape, v[0], 1)); })
                 .data()[0],
             WithinAbs(4, 1e-12));
}

TEST_CASE("a loss on the side gives its gradient, and no value") {
  const auto x = random_tensor({2, 3}, 1), target = random_tensor({2, 3}, 2), other = random_tensor({2, 3}, 3);
  const auto main_loss = [&](auto& tape, const auto& v) { return mse(tape, v[0], target); };
  const auto side_loss = [&](auto& tape, const auto& v) { return mse(tape, v[0], other); };
  const auto both = [&](auto& tape, const auto& v) {
    return mse(tape, also_minimise(tape, v[0], mse(tape, v[0], other), 0.25), target);
  };
  const auto one = rows_of({}, {1});
  CHECK(evaluate({x}, both).data()[0] == evaluate({x}, main_loss).data()[0]);
  const auto g = gradients({x}, one, both, {true})[0], a = gradients({x}, one, main_loss, {true})[0],
             b = gradients({x}, one, side_loss, {true})[0];
  for (int i = 0; i < 6; ++i) CHECK_THAT(g.data()[i], WithinAbs(a.data()[i] + 0.25 * b.data()[i], 1e-15));
  DoubleTape tape;
  const auto v = tape.constant(x);
  CHECK(says(message_of<shape_error>([&] { also_minimise(tape, v, v, 1); }), "[also_minimise]", "[2, 3]", "scalar"));
}

TEST_CASE("parts that do not fit the routing are refused") {
  DoubleTape tape;
  const auto routing = route(tape, tape.constant(random_tensor({4, 2}, 1)), 2);
  const auto part = tape.constant(random_tensor({4, 3}, 2)), short_ = tape.constant(random_tensor({3, 3}, 2));
  const auto refused = [&](std::vector<Var<double, Cpu>> parts) {
    return message_of<shape_error>([&] { mix_experts(tape, parts, routing); });
  };
  CHECK(says(refused({part}), "[mix_experts]", "1 experts", "expected 2"));
  CHECK(says(refused({part, short_}), "[3, 3]", "[4, 3]"));
  CHECK(says(refused({part, {}}), "the part of an expert", "[4, 3]"));
}
