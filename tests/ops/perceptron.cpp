// SPDX-License-Identifier: MIT
// Two linear maps around an activation: gradients, the bits of the three operations that they replace, widths that do
// not fit.
#include <modelgrow/ops/activation.hpp>
#include <modelgrow/ops/perceptron.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"
#include "tests/support/same_bits.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// The result and the gradients of five leaves (x, w1, b1, w2, b2), of which those in `wanted` want one.
template <class T, class F>
std::vector<Tensor<T, Cpu>> outcome(F f, std::initializer_list<int> wanted) {
  const Shape shapes[] = {{5, 9, 33}, {70, 33}, {70}, {21, 70}, {21}};
  Tape<T, Cpu> tape;
  std::vector<Var<T, Cpu>> v;
  for (int i = 0; i < 5; ++i) {
    const auto values = random_tensor<T>(shapes[i], std::uint64_t(i), 0.5);
    const bool leaf = std::find(wanted.begin(), wanted.end(), i) != wanted.end();
    v.push_back(leaf ? tape.leaf(values) : tape.constant(values));
  }
  const Var<T, Cpu> y = f(tape, v);
  tape.backward(y, random_tensor<T>(y.shape(), 9));
  std::vector<Tensor<T, Cpu>> all{y.value()};
  for (const auto& leaf : v) all.push_back(leaf.gradient());
  return all;
}

}  // namespace

TEST_CASE("perceptrons have the gradients of their formula") {
  const Values with_biases{random_tensor({3, 2, 5}, 1), random_tensor({7, 5}, 2), random_tensor({7}, 3),
                           random_tensor({4, 7}, 4), random_tensor({4}, 5)};
  for (const Activation f : {Activation::gelu_tanh, Activation::silu})
    check_gradients(with_biases,
                    [f](auto& tape, const auto& v) { return perceptron(tape, f, v[0], v[1], v[2], v[3], v[4]); });
  check_gradients(
      {random_tensor({1, 5}, 1), random_tensor({3, 5}, 2), random_tensor({2, 3}, 4)},
      [](auto& tape, const auto& v) { return perceptron(tape, Activation::gelu_tanh, v[0], v[1], {}, v[2], {}); });
}

TEMPLATE_TEST_CASE("a perceptron is linear, activation and linear to the bit on the CPU", "", float, double) {
  for (const Activation f : {Activation::gelu_tanh, Activation::silu})
    for (const auto wanted : {std::initializer_list<int>{0, 1, 2, 3, 4}, {3, 4}, {0}, {4}, {}}) {
      CAPTURE(f == Activation::silu, wanted.size());
      const auto fused = outcome<TestType>(
          [f](auto& tape, const auto& v) { return perceptron(tape, f, v[0], v[1], v[2], v[3], v[4]); }, wanted);
      const auto apart = outcome<TestType>(
          [f](auto& tape, const auto& v) {
            return linear(tape, activation(tape, f, linear(tape, v[0], v[1], v[2])), v[3], v[4]);
          },
          wanted);
      CHECK(same_bits(fused, apart));
      std::size_t gradients = 0;
      for (std::size_t i = 1; i < fused.size(); ++i) gradients += fused[i].defined();
      CHECK(gradients == wanted.size());
    }
}

TEST_CASE("perceptrons refuse widths that differ") {
  DoubleTape tape;
  const auto x = tape.constant(random_tensor({2, 3}, 1)), w1 = tape.constant(random_tensor({4, 3}, 2));
  const auto w2 = tape.constant(random_tensor({5, 4}, 3)), b = tape.constant(random_tensor({6}, 4));
  const auto call = [&](const auto& w1, const auto& b1, const auto& w2, const auto& b2) {
    return message_of<shape_error>([&] { perceptron(tape, Activation::gelu_tanh, x, w1, b1, w2, b2); });
  };
  const Var<double, Cpu> none;
  CHECK(says(call(w2, none, w2, none), "[perceptron]", "[2, 3]", "[5, 4]"));
  CHECK(says(call(w1, b, w2, none), "[perceptron]", "bias", "[6]", "[4]"));
  CHECK(says(call(w1, none, w1, none), "[perceptron]", "[2, 4]", "[4, 3]"));
  CHECK(says(call(w1, none, w2, b), "[perceptron]", "bias", "[6]", "[5]"));
}
