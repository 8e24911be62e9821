// SPDX-License-Identifier: MIT
// What language models compute between their matrix products, against its definition in double.
#include <modelgrow/backend/cpu.hpp>

#include <numeric>

#include "tests/support/catch.hpp"
#include "tests/support/random.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

struct Packed {
  PackedAttentionSize size;
  std::vector<std::int64_t> begins;
  std::int64_t tokens() const { return begins.back(); }
};

// Softmax attention of one query after the other.
Tensor<double, Cpu> attention(const Packed& p, const Tensor<float, Cpu>& q, const Tensor<float, Cpu>& k,
                              const Tensor<float, Cpu>& v, const Tensor<float, Cpu>& bias) {
  const auto [sequences, heads, kv_heads, d, reach, prefix, scale, sight] = p.size;
  auto out = Tensor<double, Cpu>::zeros({p.tokens(), heads, d});
  for (std::int64_t s = 0; s < sequences; ++s)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t i = p.begins[std::size_t(s)]; i < p.begins[std::size_t(s + 1)]; ++i) {
        const std::int64_t kv = h / (heads / kv_heads);
        const std::int64_t begin = p.begins[std::size_t(s)], before = s > 0 ? prefix : 0;
        std::vector<std::int64_t> keys;
        for (std::int64_t j = 0; j < before; ++j) keys.push_back(j);
        for (std::int64_t j = begin; j < (sight == Sight::causal ? i + 1 : p.begins[std::size_t(s + 1)]); ++j)
          keys.push_back(j);
        std::vector<double> e;
        for (std::size_t n = 0; n < keys.size(); ++n) {
          double score = 0;
          for (std::int64_t c = 0; c < d; ++c)
            score += double(q.data()[(i * heads + h) * d + c]) * double(k.data()[(keys[n] * kv_heads + kv) * d + c]);
          const std::int64_t distance = std::int64_t(n) - (before + i - begin);
          const double more = bias.defined() ? double(bias.data()[h * (2 * reach + 1) + distance + reach]) : 0;
          e.push_back(std::exp(scale * score + more));
        }
        const double total = std::accumulate(e.begin(), e.end(), 0.0);
        for (std::size_t j = 0; j < e.size(); ++j)
          for (std::int64_t c = 0; c < d; ++c)
            out.data()[(i * heads + h) * d + c] += e[j] / total * double(v.data()[(keys[j] * kv_heads + kv) * d + c]);
      }
  return out;
}

}  // namespace

TEST_CASE("attention inside packed sequences sees the prefix, but neither other sequences nor, if causal, the future") {
  for (const auto& [sight, begins] : {std::pair{Sight::causal, std::vector<std::int64_t>{0, 1, 8, 8, 24, 230, 234}},
                                      {Sight::all, {0, 1, 8, 8, 24, 230, 234}},
                                      {Sight::causal, {0, 37, 44, 44, 60, 230, 234}},
                                      {Sight::all, {0, 37, 44, 44, 60, 230, 234}}})
    for (const auto& [heads, kv_heads, d] : {std::tuple{3, 3, 16}, {6, 2, 8}, {9, 3, 64}, {5, 1, 20}}) {
      const Packed p{.size = {.sequences = 6,
                              .heads = heads,
                              .kv_heads = kv_heads,
                              .head_dim = d,
                              .reach = 250,
                              .prefix = begins[1] == 37 ? 37 : 0,
                              .scale = 0.3,
                              .sight = sight},
                     .begins = begins};
      CAPTURE(int(sight), heads, kv_heads, d);
      const auto q = random_tensor<float>({p.tokens(), heads, d}, 1),
                 k = random_tensor<float>({p.tokens(), kv_heads, d}, 2);
      const auto v = random_tensor<float>({p.tokens(), kv_heads, d}, 3);
      for (const auto& bias : {Tensor<float, Cpu>(), random_tensor<float>({heads, 501}, 4)}) {
        Tensor<float, Cpu> out({p.tokens(), heads, d});
        Backend<Cpu>::packed_attention(p.size, p.begins.data(), q.data(), k.data(), v.data(),
                                       bias.defined() ? bias.data() : nullptr, out.data());
        CHECK(relative_error(out, attention(p, q, k, v, bias)) < 2e-6);
      }
    }
}

TEST_CASE("RMS norm divides by the root mean square") {
  const auto x = random_tensor<float>({5, 37}, 1, 3.0), gain = random_tensor<float>({37}, 2);
  Tensor<float, Cpu> y({5, 37});
  auto expected = Tensor<double, Cpu>::zeros({5, 37});
  Backend<Cpu>::rms_norm(5, 37, 0.5, x.data(), gain.data(), y.data());
  for (int r = 0; r < 5; ++r) {
    double sum = 0;
    for (int c = 0; c < 37; ++c) sum += std::pow(double(x.data()[r * 37 + c]), 2);
    for (int c = 0; c < 37; ++c)
      expected.data()[r * 37 + c] = double(x.data()[r * 37 + c]) / std::sqrt(sum / 37 + 0.5) * double(gain.data()[c]);
  }
  CHECK(relative_error(y, expected) < 1e-6);
}

TEST_CASE("a gate is an activation times what it gates, also far from zero") {
  const std::vector<float> up{2, 3, -1, 5};
  std::vector<float> gate{0, 1, -200, 200};
  Backend<Cpu>::gated(Activation::silu, 4, up.data(), gate.data());
  CHECK(gate[0] == 0);
  CHECK_THAT(double(gate[1]), WithinRel(3 / (1 + std::exp(-1.0)), 1e-6));
  CHECK_THAT(double(gate[2]), WithinAbs(0, 1e-30));
  CHECK_THAT(double(gate[3]), WithinRel(1000.0, 1e-6));
  gate[1] = 1;
  Backend<Cpu>::gated(Activation::gelu_tanh, 4, up.data(), gate.data());
  CHECK_THAT(double(gate[1]), WithinRel(3 * 0.8411919906, 1e-6));
}

TEST_CASE("GELU by the error function") {
  std::vector<float> x{0, 1, -1, 3, -20};
  Backend<Cpu>::gelu(5, x.data());
  const double expected[] = {0, 0.841344746, -0.158655254, 2.995950306, 0};
  for (std::size_t i = 0; i < 5; ++i) CHECK_THAT(double(x[i]), WithinAbs(expected[i], 1e-6));
}

TEST_CASE("rotary positions turn pairs of a head by the angle of the position") {
  const std::vector<std::int32_t> positions{2, 0};
  const auto angles = random_tensor<float>({3, 2}, 1);
  Tensor<float, Cpu> cosines({3, 2}), sines({3, 2});
  for (int i = 0; i < 6; ++i)
    cosines.data()[i] = std::cos(angles.data()[i]), sines.data()[i] = std::sin(angles.data()[i]);
  const auto x = random_tensor<float>({2, 3, 4}, 2);
  for (const auto pairs : {RotaryPairs::halves, RotaryPairs::neighbours}) {
    auto y = x.clone();
    Backend<Cpu>::rotate(2, 3, 4, pairs, positions.data(), cosines.data(), sines.data(), y.data());
    for (int r = 0; r < 2; ++r)
      for (int h = 0; h < 3; ++h)
        for (int i = 0; i < 2; ++i) {
          const bool halves = pairs == RotaryPairs::halves;
          const int head = (r * 3 + h) * 4, a = head + (halves ? i : 2 * i), b = head + (halves ? i + 2 : 2 * i + 1);
          const double angle = double(angles.data()[positions[std::size_t(r)] * 2 + i]);
          CHECK_THAT(double(y.data()[a]),
                     WithinAbs(double(x.data()[a]) * std::cos(angle) - double(x.data()[b]) * std::sin(angle), 1e-6));
          CHECK_THAT(double(y.data()[b]),
                     WithinAbs(double(x.data()[b]) * std::cos(angle) + double(x.data()[a]) * std::sin(angle), 1e-6));
        }
  }
}
