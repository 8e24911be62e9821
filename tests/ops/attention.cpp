// SPDX-License-Identifier: MIT
// Attention along space, along time and to text: values against a plain softmax, gradients, lengths.
#include <modelgrow/ops/attention.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

Tensor<std::int32_t, Cpu> ints(std::vector<std::int32_t> v) {
  return Tensor<std::int32_t, Cpu>::from({std::int64_t(v.size())}, v);
}

// sum_j softmax_j(q . k_j / sqrt(d)) v_j for one query, by the definition.
std::vector<double> plain(const double* q, const std::vector<const double*>& k, const std::vector<const double*>& v,
                          std::int64_t d) {
  std::vector<double> weights, out(std::size_t(d), 0.0);
  double total = 0;
  for (const double* key : k) {
    double s = 0;
    for (std::int64_t c = 0; c < d; ++c) s += q[c] * key[c];
    weights.push_back(std::exp(s / std::sqrt(double(d))));
    total += weights.back();
  }
  for (std::size_t j = 0; j < k.size(); ++j)
    for (std::int64_t c = 0; c < d; ++c) out[std::size_t(c)] += weights[j] / total * v[j][c];
  return out;
}

}  // namespace

TEST_CASE("self-attention is a softmax over the tokens of a frame or the frames of a position") {
  const std::int64_t B = 2, T = 3, S = 5, heads = 2, d = 4, C = heads * d;
  const auto qkv = random_tensor({B, T, S, 3 * C}, 1);
  const std::vector<std::int32_t> limit{2, 3};
  for (const Along along : {Along::space, Along::time})
    for (const bool limited : {false, true}) {
      const auto out = evaluate({qkv}, [&](auto& tape, const auto& v) {
        return self_attention(tape, v[0], heads, along, limited ? ints(limit) : Tensor<std::int32_t, Cpu>());
      });
      REQUIRE(out.shape() == Shape{B, T, S, C});
      const auto token = [&](std::int64_t b, std::int64_t t, std::int64_t s) {
        return qkv.data() + ((b * T + t) * S + s) * 3 * C;
      };
      double worst = 0;
      for (std::int64_t b = 0; b < B; ++b)
        for (std::int64_t t = 0; t < T; ++t)
          for (std::int64_t s = 0; s < S; ++s)
            for (std::int64_t h = 0; h < heads; ++h) {
              std::vector<const double*> k, v;
              const std::int64_t all = along == Along::space ? S : T, keys = limited ? limit[std::size_t(b)] : all;
              for (std::int64_t j = 0; j < keys; ++j) {
                const double* other = along == Along::space ? token(b, t, j) : token(b, j, s);
                k.push_back(other + C + h * d), v.push_back(other + 2 * C + h * d);
              }
              const auto expected = plain(token(b, t, s) + h * d, k, v, d);
              worst =
                  std::max(worst, relative_error(out.data() + ((b * T + t) * S + s) * C + h * d, expected.data(), d));
            }
      CHECK(worst < 1e-13);
    }
}

TEST_CASE("cross-attention is a softmax over the valid text tokens") {
  const std::int64_t B = 2, N = 3, L = 5, heads = 3, d = 3, C = heads * d;
  const auto q = random_tensor({B, N, C}, 1), kv = random_tensor({B, L, 2 * C}, 2);
  const std::vector<std::int32_t> lengths{5, 2};
  const auto out = evaluate(
      {q, kv}, [&](auto& tape, const auto& v) { return cross_attention(tape, v[0], v[1], heads, ints(lengths)); });
  for (std::int64_t b = 0; b < B; ++b)
    for (std::int64_t i = 0; i < N; ++i)
      for (std::int64_t h = 0; h < heads; ++h) {
        std::vector<const double*> k, v;
        for (std::int64_t j = 0; j < lengths[std::size_t(b)]; ++j) {
          k.push_back(kv.data() + (b * L + j) * 2 * C + h * d);
          v.push_back(k.back() + C);
        }
        const auto expected = plain(q.data() + (b * N + i) * C + h * d, k, v, d);
        CHECK(relative_error(out.data() + (b * N + i) * C + h * d, expected.data(), d) < 1e-13);
      }
}

TEST_CASE("attention has the gradients of its formula") {
  const auto qkv = random_tensor({2, 3, 5, 12}, 1);
  check_gradients({qkv}, [](auto& tape, const auto& v) { return self_attention(tape, v[0], 2, Along::space); });
  check_gradients({qkv}, [](auto& tape, const auto& v) { return self_attention(tape, v[0], 1, Along::time); });
  check_gradients({qkv}, [](auto& tape, const auto& v) {
    return self_attention(tape, v[0], 4, Along::time, ints({2, 1}));
  });
  const auto q = random_tensor({2, 3, 6}, 2), kv = random_tensor({2, 5, 12}, 3);
  check_gradients({q, kv}, [](auto& tape, const auto& v) { return cross_attention(tape, v[0], v[1], 2); });
  check_gradients({q, kv}, [](auto& tape, const auto& v) {
    return cross_attention(tape, v[0], v[1], 3, ints({3, 5}));
  });
}

TEST_CASE("text behind the length of a caption changes nothing and gets no gradient") {
  const auto q = random_tensor({1, 3, 4}, 1), kv = random_tensor({1, 5, 8}, 2), seed = random_tensor({1, 3, 4}, 3);
  auto other = kv.clone();
  for (std::int64_t i = 3 * 8; i < 5 * 8; ++i) other.data()[i] = 1e6;
  const auto f = [](auto& tape, const auto& v) { return cross_attention(tape, v[0], v[1], 2, ints({3})); };
  CHECK(relative_error(evaluate({q, other}, f), evaluate({q, kv}, f)) == 0);
  const auto gradient = gradients({q, other}, seed, f, {true, true})[1];
  for (std::int64_t i = 3 * 8; i < 5 * 8; ++i) CHECK(gradient.data()[i] == 0);
}

TEST_CASE("attention refuses shapes that do not fit") {
  DoubleTape tape;
  const auto qkv = tape.constant(random_tensor({2, 3, 5, 12}, 1));
  const auto q = tape.constant(random_tensor({2, 3, 6}, 2)), kv = tape.constant(random_tensor({2, 5, 10}, 3));
  const auto fits = tape.constant(random_tensor({2, 5, 12}, 3));
  const auto message = [](auto f) { return message_of<shape_error>(f); };
  CHECK(says(message([&] { self_attention(tape, q, 2, Along::space); }), "[self_attention]", "[2, 3, 6]"));
  CHECK(says(message([&] { self_attention(tape, qkv, 5, Along::space); }), "[2, 3, 5, 12]", "3 * 5 heads"));
  CHECK(says(message([&] { self_attention(tape, qkv, 0, Along::space); }), "0 heads"));
  CHECK(says(message([&] { self_attention(tape, qkv, 2, Along::time, ints({1})); }), "lengths", "[1]", "[2]"));
  CHECK(says(message([&] { cross_attention(tape, q, kv, 2); }), "[cross_attention]", "[2, 5, 10]", "[2, *, 12]"));
  CHECK(says(message([&] { cross_attention(tape, q, fits, 4); }), "[2, 3, 6]", "4 heads"));
  CHECK(says(message([&] { cross_attention(tape, q, fits, 2, ints({1, 2, 3})); }), "lengths", "[3]", "[2]"));
  CHECK(says(message([&] { cross_attention(tape, qkv, fits, 2); }), "q is [2, 3, 5, 12]"));
}

TEST_CASE("keys and values of their own give what fused ones give") {
  const auto lengths = Tensor<std::int32_t, Cpu>::from({2}, std::vector<std::int32_t>{4, 2});
  const auto q = random_tensor({2, 5, 6}, 1), k = random_tensor({2, 4, 6}, 2), v = random_tensor({2, 4, 6}, 3);
  Tensor<double, Cpu> kv({2, 4, 12});
  for (int i = 0; i < 8; ++i) {
    std::copy_n(k.data() + i * 6, 6, kv.data() + i * 12);
    std::copy_n(v.data() + i * 6, 6, kv.data() + i * 12 + 6);
  }
  const auto apart = [&](auto& tape, const auto& x) { return cross_attention(tape, x[0], x[1], x[2], 3, lengths); };
  const auto fused = [&](auto& tape, const auto& x) { return cross_attention(tape, x[0], x[1], 3, lengths); };
  CHECK(relative_error(evaluate({q, k, v}, apart), evaluate({q, kv}, fused)) == 0);
  check_gradients({q, k, v}, apart);
  DoubleTape tape;
  const auto a = tape.constant(q), b = tape.constant(k), c = tape.constant(random_tensor({2, 3, 6}, 1));
  CHECK(says(message_of<shape_error>([&] { cross_attention(tape, a, b, c, 3); }), "v is [2, 3, 6]"));
  CHECK_THROWS_AS(cross_attention(tape, a, tape.constant(random_tensor({2, 4, 5}, 1)), b, 3), shape_error);
  CHECK_THROWS_AS(cross_attention(tape, a, b, b, 4), shape_error);
}
