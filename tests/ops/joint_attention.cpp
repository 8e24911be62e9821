// SPDX-License-Identifier: MIT
// Two texts in one softmax: values against attention to the tokens in one row, gradients, and the closed second text.
#include <modelgrow/ops/joint_attention.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

Tensor<std::int32_t, Cpu> ints(std::vector<std::int32_t> v) {
  return Tensor<std::int32_t, Cpu>::from({std::int64_t(v.size())}, v);
}
Tensor<double, Cpu> one(double value) { return Tensor<double, Cpu>::from({1}, std::vector<double>{value}); }

constexpr std::int64_t B = 2, N = 3, L = 5, M = 4, heads = 3, d = 3, C = heads * d;

struct Texts {
  Tensor<double, Cpu> q = random_tensor({B, N, C}, 1), kv = random_tensor({B, L, 2 * C}, 2),
                      kv_2 = random_tensor({B, M, 2 * C}, 3);
  std::vector<Tensor<double, Cpu>> all() const { return {q, kv, kv_2}; }
};

}  // namespace

TEST_CASE("joint attention is one softmax over the valid tokens of both texts, the second by its weight") {
  const Texts t;
  const std::vector<std::int32_t> lengths{5, 2}, lengths_2{1, 4};
  for (const double weight : {0.0, 1e-3, 0.5, 1.0, 20.0}) {
    const auto out = evaluate(t.all(), [&](auto& tape, const auto& v) {
      return joint_attention(tape, v[0], v[1], v[2], one(weight), heads, ints(lengths), ints(lengths_2));
    });
    double worst = 0;
    for (std::int64_t b = 0; b < B; ++b)
      for (std::int64_t i = 0; i < N; ++i)
        for (std::int64_t h = 0; h < heads; ++h) {
          const double* q = t.q.data() + (b * N + i) * C + h * d;
          std::vector<double> expected(std::size_t(d), 0.0);
          double total = 0;
          const auto read = [&](const double* kv, std::int64_t tokens, double factor) {
            for (std::int64_t j = 0; j < tokens; ++j) {
              const double* k = kv + j * 2 * C + h * d;
              double score = 0;
              for (std::int64_t c = 0; c < d; ++c) score += q[c] * k[c];
              const double e = factor * std::exp(score / std::sqrt(double(d)));
              total += e;
              for (std::int64_t c = 0; c < d; ++c) expected[std::size_t(c)] += e * k[C + c];
            }
          };
          read(t.kv.data() + b * L * 2 * C, lengths[std::size_t(b)], 1);
          read(t.kv_2.data() + b * M * 2 * C, lengths_2[std::size_t(b)], weight);
          for (auto& e : expected) e /= total;
          worst = std::max(worst, relative_error(out.data() + (b * N + i) * C + h * d, expected.data(), d));
        }
    CHECK(worst < 1e-13);
  }
}

TEST_CASE("with weight 0 the second text changes nothing, bit for bit, and gets no gradient") {
  const Texts t;
  const auto seed = random_tensor({B, N, C}, 4);
  const auto joint = [&](auto& tape, const auto& v) {
    return joint_attention(tape, v[0], v[1], v[2], one(0), heads, ints({3, 5}), ints({4, 2}));
  };
  const auto alone = [&](auto& tape, const auto& v) { return cross_attention(tape, v[0], v[1], heads, ints({3, 5})); };
  CHECK(relative_error(evaluate(t.all(), joint), evaluate({t.q, t.kv}, alone)) == 0);
  const auto found = gradients(t.all(), seed, joint, {true, true, true});
  const auto expected = gradients({t.q, t.kv}, seed, alone, {true, true});
  CHECK(relative_error(found[0], expected[0]) == 0);
  CHECK(relative_error(found[1], expected[1]) == 0);
  for (std::int64_t i = 0; i < found[2].size(); ++i) CHECK(found[2].data()[i] == 0);
}

TEST_CASE("a weight that is below 0 or no number closes the second text") {
  const Texts t;
  const auto with = [&](double weight) {
    return evaluate(t.all(), [&](auto& tape, const auto& v) {
      return joint_attention(tape, v[0], v[1], v[2], one(weight), heads);
    });
  };
  CHECK(relative_error(with(-0.5), with(0)) == 0);
  CHECK(relative_error(with(std::nan("")), with(0)) == 0);
}

TEST_CASE("joint attention has the gradients of its formula") {
  const Texts t;
  for (const double weight : {0.02, 1.0, 7.0}) {
    check_gradients(t.all(), [&](auto& tape, const auto& v) {
      return joint_attention(tape, v[0], v[1], v[2], one(weight), heads, ints({5, 2}), ints({1, 4}));
    });
    check_gradients(t.all(), [&](auto& tape, const auto& v) {
      return joint_attention(tape, v[0], v[1], v[2], one(weight), heads);
    });
  }
}

TEST_CASE("joint attention refuses shapes that do not fit") {
  const Texts t;
  DoubleTape tape;
  const auto q = tape.constant(t.q), kv = tape.constant(t.kv), narrow = tape.constant(random_tensor({B, M, C}, 1));
  const auto message = [](auto f) { return message_of<shape_error>(f); };
  CHECK(says(message([&] { joint_attention(tape, q, kv, narrow, one(0), heads); }), "[joint_attention]", "kv_2",
             "[2, 4, 9]", "[2, *, 18]"));
  CHECK(says(message([&] { joint_attention(tape, q, narrow, kv, one(0), heads); }), "[2, 4, 9]"));
  CHECK(says(message([&] { joint_attention(tape, kv, kv, kv, one(0), heads); }), "[2, *, 36]"));
  CHECK(says(message([&] { joint_attention(tape, q, kv, kv, t.q, heads); }), "weight", "[2, 3, 9]", "[1]"));
  CHECK(says(message([&] { joint_attention(tape, q, kv, kv, one(0), 4); }), "4 heads"));
  CHECK(says(message([&] { joint_attention(tape, q, kv, kv, one(0), heads, {}, ints({1})); }), "lengths", "[1]"));
}
