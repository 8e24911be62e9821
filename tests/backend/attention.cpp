// SPDX-License-Identifier: MIT
// Blocked attention in float against a plain softmax in double: blocks crossed, odd head sizes, strides, large scores.
#include <modelgrow/backend/cpu.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/random.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

struct Case {
  std::int64_t batch, groups, queries, keys, heads, head_dim;
  double scale;  // of the inputs: 4 makes scores of about 100
};

// Results by the definition, in double; gradients of sum(dout * out).
struct Plain {
  Tensor<double, Cpu> out, lse, dq, dk, dv;
};
Plain plain(const AttentionSize& s, const std::int32_t* lengths, const Tensor<double, Cpu>& q,
            const Tensor<double, Cpu>& kv, std::int64_t v_offset, const Tensor<double, Cpu>& dout) {
  using D = Tensor<double, Cpu>;
  Plain r{D::zeros(dout.shape()), D::zeros({s.batch, s.groups, s.heads, s.queries}), D::zeros(q.shape()),
          D::zeros(kv.shape()), D::zeros(kv.shape())};
  const double scale = 1 / std::sqrt(double(s.head_dim));
  std::int64_t row = 0;
  for (std::int64_t b = 0; b < s.batch; ++b)
    for (std::int64_t g = 0; g < s.groups; ++g)
      for (std::int64_t h = 0; h < s.heads; ++h)
        for (std::int64_t i = 0; i < s.queries; ++i, ++row) {
          const auto at = [&](const AttentionSize::Strides& t, std::int64_t token) {
            return b * t.batch + g * t.group + token * t.token + h * s.head_dim;
          };
          const std::int64_t keys = lengths ? lengths[b] : s.keys, iq = at(s.q, i), io = at(s.out, i);
          std::vector<double> p(std::size_t(keys), 0.0), dp(p);
          double top = -1e300, total = 0, delta = 0;
          for (std::int64_t j = 0; j < keys; ++j) {
            for (std::int64_t c = 0; c < s.head_dim; ++c)
              p[std::size_t(j)] += scale * q.data()[iq + c] * kv.data()[at(s.kv, j) + c];
            top = std::max(top, p[std::size_t(j)]);
          }
          for (double& e : p) e = std::exp(e - top), total += e;
          r.lse.data()[row] = top + std::log(total);
          for (std::int64_t j = 0; j < keys; ++j) {
            p[std::size_t(j)] /= total;
            for (std::int64_t c = 0; c < s.head_dim; ++c) {
              const double v = kv.data()[v_offset + at(s.kv, j) + c], g_out = dout.data()[io + c];
              r.out.data()[io + c] += p[std::size_t(j)] * v;
              r.dv.data()[at(s.kv, j) + c] += p[std::size_t(j)] * g_out;
              dp[std::size_t(j)] += g_out * v;
            }
            delta += p[std::size_t(j)] * dp[std::size_t(j)];
          }
          for (std::int64_t j = 0; j < keys; ++j)
            for (std::int64_t c = 0; c < s.head_dim; ++c) {
              const double ds = scale * p[std::size_t(j)] * (dp[std::size_t(j)] - delta);
              r.dq.data()[iq + c] += ds * kv.data()[at(s.kv, j) + c];
              r.dk.data()[at(s.kv, j) + c] += ds * q.data()[iq + c];
            }
        }
  return r;
}

template <class T>
void check(const Case& c, const std::int32_t* lengths, double tolerance) {
  CAPTURE(c.batch, c.groups, c.queries, c.keys, c.heads, c.head_dim, lengths != nullptr);
  // Tokens of all groups in one tensor [batch, tokens, groups, channels], as temporal attention has them.
  const std::int64_t n = c.heads * c.head_dim;
  const auto strides = [&](std::int64_t tokens, std::int64_t width) {
    return AttentionSize::Strides{tokens * c.groups * width, width, c.groups * width};
  };
  const AttentionSize s{c.batch,
                        c.groups,
                        c.queries,
                        c.keys,
                        c.heads,
                        c.head_dim,
                        strides(c.queries, n),
                        strides(c.keys, 2 * n),
                        strides(c.queries, n)};
  const auto q = random_tensor<T>({c.batch, c.queries, c.groups, n}, 1, c.scale);
  const auto kv = random_tensor<T>({c.batch, c.keys, c.groups, 2 * n}, 2, c.scale);
  const auto dout = random_tensor<T>(q.shape(), 3);
  const Plain expected = plain(s, lengths, cast<double>(q), cast<double>(kv), n, cast<double>(dout));

  Tensor<T, Cpu> out(q.shape()), lse(expected.lse.shape()), dq(q.shape()), dkv(kv.shape());
  Backend<Cpu>::attention<T>(s, lengths, q.data(), kv.data(), kv.data() + n, out.data(), lse.data());
  Backend<Cpu>::attention_dx<T>(s, lengths, q.data(), kv.data(), kv.data() + n, out.data(), lse.data(), dout.data(),
                                dq.data(), dkv.data(), dkv.data() + n);
  CHECK(relative_error(out, expected.out) < tolerance);
  CHECK(relative_error(lse, expected.lse) < tolerance);
  CHECK(relative_error(dq, expected.dq) < 10 * tolerance);
  Tensor<double, Cpu> both(kv.shape());
  for (std::int64_t i = 0; i < both.size(); ++i)
    both.data()[i] = i % (2 * n) < n ? expected.dk.data()[i] : expected.dv.data()[i - n];
  CHECK(relative_error(dkv, both) < 10 * tolerance);
}

}  // namespace

TEMPLATE_TEST_CASE("blocked attention equals plain attention", "", float, double) {
  const double tolerance = std::is_same_v<TestType, float> ? 2e-6 : 1e-13;
  const Case cases[] = {
      {1, 1, 1, 1, 1, 1, 1},     {2, 3, 5, 7, 2, 3, 1},     {1, 2, 16, 16, 3, 32, 1}, {2, 1, 64, 64, 2, 32, 1},
      {1, 1, 65, 129, 2, 72, 1}, {2, 2, 70, 260, 1, 17, 1}, {1, 5, 8, 8, 2, 64, 1},   {1, 1, 17, 300, 1, 80, 4},
  };
  for (const Case& c : cases) check<TestType>(c, nullptr, tolerance * (c.scale > 1 ? 20 : 1));
  const std::int32_t lengths[] = {1, 133};
  check<TestType>({2, 1, 33, 140, 2, 24, 1}, lengths, tolerance);
}
