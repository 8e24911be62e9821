// SPDX-License-Identifier: MIT
// A residual sum and its modulated norm in one operation: the bits of the operations apart, gradients, what does not
// fit.
#include <modelgrow/ops/residual_norm.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"
#include "tests/support/same_bits.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

constexpr Slots slots{.shift = 2, .scale = 1};

/// Both results and the gradients of three leaves (x, branch, m), of which those in `wanted` want one.
template <class T, class F>
std::vector<Tensor<T, Cpu>> outcome(F f, std::initializer_list<int> wanted) {
  const Shape shapes[] = {{2, 3, 5, 37}, {2, 3, 5, 37}, {2, 4, 37}};
  Tape<T, Cpu> tape;
  std::vector<Var<T, Cpu>> v;
  for (int i = 0; i < 3; ++i) {
    const auto values = random_tensor<T>(shapes[i], std::uint64_t(i));
    const bool leaf = std::find(wanted.begin(), wanted.end(), i) != wanted.end();
    v.push_back(leaf ? tape.leaf(values) : tape.constant(values));
  }
  const auto [sum, normed] = f(tape, v);
  std::vector<Tensor<T, Cpu>> all{sum.value(), normed.value()};
  tape.backward(add(tape, sum, normed), random_tensor<T>(sum.shape(), 9));
  for (const auto& leaf : v) all.push_back(leaf.gradient());
  return all;
}

}  // namespace

TEMPLATE_TEST_CASE("a residual sum and its norm have the bits of both apart on the CPU", "", float, double) {
  for (const auto gate : {std::optional<int>(), std::optional<int>(3)})
    for (const auto wanted : {std::initializer_list<int>{0, 1, 2}, {0}, {1}, {2}, {}}) {
      CAPTURE(gate.has_value(), wanted.size());
      const auto at_once = outcome<TestType>(
          [&](auto& tape, const auto& v) { return residual_norm_modulate(tape, v[0], v[1], v[2], gate, slots); },
          wanted);
      const auto apart = outcome<TestType>(
          [&](auto& tape, const auto& v) {
            const auto sum = gate ? gate_residual(tape, v[0], v[1], v[2], *gate) : add(tape, v[0], v[1]);
            return std::pair(sum, norm_modulate(tape, sum, v[2], slots));
          },
          wanted);
      CHECK(same_bits(at_once, apart));
      std::size_t gradients = 0;
      for (std::size_t i = 2; i < at_once.size(); ++i) gradients += at_once[i].defined();
      CHECK(gradients == wanted.size());
    }
}

TEST_CASE("a residual sum and its norm have the gradients of their formula") {
  for (const auto gate : {std::optional<int>(), std::optional<int>(1)})
    check_gradients({random_tensor({2, 3, 9}, 1), random_tensor({2, 3, 9}, 2), random_tensor({2, 4, 9}, 3)},
                    [&](auto& tape, const auto& v) {
                      const auto [sum, normed] = residual_norm_modulate(tape, v[0], v[1], v[2], gate, slots, 1e-3);
                      return add(tape, sum, normed);
                    });
}

TEST_CASE("residual_norm_modulate refuses a branch of another shape and slots that are not there") {
  DoubleTape tape;
  const auto x = tape.constant(random_tensor({2, 3, 5}, 1)), m = tape.constant(random_tensor({2, 2, 5}, 2));
  const auto branch = tape.constant(random_tensor({2, 4, 5}, 2));
  const auto call = [&](const auto& other, std::optional<int> gate, Slots where) {
    return message_of<shape_error>([&] { residual_norm_modulate(tape, x, other, m, gate, where); });
  };
  CHECK(says(call(branch, {}, {}), "[residual_norm_modulate]", "[2, 4, 5]", "[2, 3, 5]"));
  CHECK(says(call(x, 2, {}), "[residual_norm_modulate]", "slot 2", "[2, 2, 5]"));
  CHECK(says(call(x, 0, {.shift = 0, .scale = -1}), "[residual_norm_modulate]", "slot -1"));
  CHECK(call(x, 0, {}).empty());
}
