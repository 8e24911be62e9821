// SPDX-License-Identifier: MIT
// Temporal convolution: values against Conv1d's definition, gradients, causality.
#include <modelgrow/ops/temporal_conv.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("temporal_conv is Conv1d over the frames of every position") {
  const std::int64_t B = 2, T = 4, S = 3, I = 5;
  const auto x = random_tensor({B, T, S, I}, 1);
  for (const bool depthwise : {false, true})
    for (const Padding padding : {Padding::causal, Padding::centred})
      for (const std::int64_t k : {1, 3, 5}) {
        const std::int64_t O = depthwise ? I : 2, in = depthwise ? 1 : I;
        const auto w = random_tensor({O, in, k}, 2), b = random_tensor({O}, 3);
        const auto y = evaluate(
            {x, w, b}, [&](auto& tape, const auto& v) { return temporal_conv(tape, v[0], v[1], v[2], padding); });
        REQUIRE(y.shape() == Shape{B, T, S, O});
        double worst = 0;
        for (std::int64_t i = 0; i < y.size(); ++i) {
          const std::int64_t o = i % O, s = i / O % S, t = i / (O * S) % T, n = i / (O * S * T);
          double expected = b.data()[o];
          for (std::int64_t j = 0; j < k; ++j) {
            const std::int64_t from = t + j - (padding == Padding::causal ? k - 1 : (k - 1) / 2);
            if (from < 0 || from >= T) continue;
            for (std::int64_t c = 0; c < in; ++c)
              expected += w.data()[(o * in + c) * k + j] * x.data()[((n * T + from) * S + s) * I + (depthwise ? o : c)];
          }
          worst = std::max(worst, std::abs(expected - y.data()[i]));
        }
        CHECK(worst < 1e-13);
      }
}

TEST_CASE("temporal_conv has the gradients of its formula") {
  const auto x = random_tensor({2, 4, 3, 5}, 1);
  for (const Padding padding : {Padding::causal, Padding::centred}) {
    const auto f = [padding](auto& tape, const auto& v) {
      return temporal_conv(tape, v[0], v[1], v.size() > 2 ? v[2] : Var<double, Cpu>(), padding);
    };
    check_gradients({x, random_tensor({5, 1, 3}, 2), random_tensor({5}, 3)}, f);
    check_gradients({x, random_tensor({2, 5, 3}, 2), random_tensor({2}, 3)}, f);
    check_gradients({x, random_tensor({5, 5, 5}, 2)}, f);
  }
  check_gradients({x, random_tensor({5, 1, 4}, 2)},
                  [](auto& tape, const auto& v) { return temporal_conv(tape, v[0], v[1], {}, Padding::causal); });
}

TEST_CASE("a causal convolution does not see later frames") {
  const auto x = random_tensor({1, 4, 2, 3}, 1), w = random_tensor({3, 1, 3}, 2);
  auto later = x.clone();
  for (std::int64_t i = 2 * 6; i < 4 * 6; ++i) later.data()[i] += 1;
  const auto f = [](auto& tape, const auto& v) { return temporal_conv(tape, v[0], v[1], {}, Padding::causal); };
  const auto a = evaluate({x, w}, f), b = evaluate({later, w}, f);
  CHECK(relative_error(a.data(), b.data(), 2 * 6) == 0);
  CHECK(relative_error(a.data() + 2 * 6, b.data() + 2 * 6, 6) > 0.01);
}

TEST_CASE("temporal_conv refuses weights that do not fit") {
  DoubleTape tape;
  const auto message = [&](Shape w, Shape b, Padding padding) {
    return message_of<shape_error>([&] {
      temporal_conv(tape, tape.constant(random_tensor({1, 4, 2, 3}, 1)), tape.constant(random_tensor(w, 2)),
                    tape.constant(random_tensor(b, 2)), padding);
    });
  };
  CHECK(says(message({3, 2, 3}, {3}, Padding::causal), "[temporal_conv]", "[3, 2, 3]", "[*, 3, *]"));
  CHECK(says(message({4, 1, 3}, {4}, Padding::causal), "[4, 1, 3]"));
  CHECK(says(message({3, 3}, {3}, Padding::causal), "[3, 3]"));
  CHECK(says(message({3, 1, 4}, {3}, Padding::centred), "4 taps", "odd"));
  CHECK(says(message({3, 1, 3}, {4}, Padding::causal), "bias", "[4]"));
  CHECK(message({3, 1, 4}, {3}, Padding::causal).empty());
}
