// SPDX-License-Identifier: MIT
// Time features, embeddings and caption dropout.
#include <modelgrow/ops/embedding.hpp>
#include <modelgrow/ops/replace_dropped.hpp>
#include <modelgrow/ops/time_features.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("time features are cosines and sines of float32 angles") {
  DoubleTape tape;
  const auto t = Tensor<double, Cpu>::from({2}, std::vector<double>{501, 37.25});
  const auto y = time_features(tape, t, 256);
  REQUIRE(y.shape() == Shape{2, 256});
  CHECK_FALSE(y.wants_gradient());
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 128; ++j) {
      const double angle = t.data()[i] * std::pow(10000.0, -j / 128.0), ulp = 1e-7 * std::abs(angle) + 1e-7;
      CHECK_THAT(y.data()[i * 256 + j], WithinAbs(std::cos(angle), 4 * ulp));
      CHECK_THAT(y.data()[i * 256 + 128 + j], WithinAbs(std::sin(angle), 4 * ulp));
      CHECK(y.data()[i * 256 + j] == double(float(y.data()[i * 256 + j])));
    }
  CHECK(says(message_of<shape_error>([&] { time_features(tape, t, 7); }), "[time_features]", "7", "even"));
  CHECK_THROWS_AS(time_features(tape, random_tensor({2, 2}, 1), 8), shape_error);
}

TEST_CASE("a bf16 model tells times apart that bf16 cannot") {
  REQUIRE(bf16(998.0f) == bf16(1000.0f));
  const std::vector<float> times{998, 1000};
  Tape<bf16, Cpu> tape;
  Tape<float, Cpu> float_tape;
  const auto t = Tensor<float, Cpu>::from({2}, times);
  const auto y = time_features(tape, t, 256);
  const auto reference = time_features(float_tape, t, 256);
  for (int i = 0; i < 512; ++i) CHECK(y.data()[i] == bf16(reference.data()[i]));
  CHECK_FALSE(y.data()[0] == y.data()[256]);  // cos 998 = 0.52, cos 1000 = 0.56
}

TEST_CASE("an embedding picks rows, and rows picked twice get both gradients") {
  const auto ids = Tensor<std::int32_t, Cpu>::from({2, 3}, std::vector<std::int32_t>{4, 0, 4, 1, 4, 0});
  const auto table = random_tensor({5, 7}, 1);
  const auto f = [&](auto& tape, const auto& v) { return embedding(tape, ids, v[0]); };
  const auto y = evaluate({table}, f);
  REQUIRE(y.shape() == Shape{2, 3, 7});
  for (int i = 0; i < 42; ++i) CHECK(y.data()[i] == table.data()[ids.data()[i / 7] * 7 + i % 7]);
  check_gradients({table}, f);
  DoubleTape tape;
  CHECK_THROWS_AS(embedding(tape, ids, tape.constant(random_tensor({5}, 1))), shape_error);
}

TEST_CASE("dropped captions become the empty one") {
  const auto drop = Tensor<std::int32_t, Cpu>::from({3}, std::vector<std::int32_t>{1, 0, 1});
  const auto x = random_tensor({3, 2, 4}, 1), empty = random_tensor({2, 4}, 2);
  const auto f = [&](auto& tape, const auto& v) { return replace_dropped(tape, v[0], drop, v[1]); };
  const auto y = evaluate({x, empty}, f);
  for (int i = 0; i < 24; ++i) CHECK(y.data()[i] == (i / 8 == 1 ? x.data()[i] : empty.data()[i % 8]));
  check_gradients({x, empty}, f);
  DoubleTape tape;
  const auto v = tape.constant(x);
  CHECK(says(message_of<shape_error>([&] { replace_dropped(tape, v, drop, v); }), "[replace_dropped]", "[2, 4]"));
  const auto two = Tensor<std::int32_t, Cpu>::zeros({2});
  CHECK(says(message_of<shape_error>([&] { replace_dropped(tape, v, two, tape.constant(empty)); }), "flags", "[3]"));
}
