// SPDX-License-Identifier: MIT
// Ridge regression between text states: planted maps come back, the gradient is zero, R^2 is that of the definition,
// and pairs that cannot be fitted are refused.
#include <modelgrow/core/rng.hpp>
#include <modelgrow/text/ridge.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;
using Values = std::vector<double>;

namespace {

Values random(std::size_t n, std::uint64_t seed, double mean = 0) {
  Values v;
  for (std::size_t i = 0; i < n; ++i) v.push_back(mean + Rng(seed).normal(i));
  return v;
}
AffineMap random_map(std::int64_t from, std::int64_t to, std::uint64_t seed) {
  return {.from = from,
          .to = to,
          .weight = random(std::size_t(from * to), seed),
          .bias = random(std::size_t(to), seed + 1)};
}
Values applied(const AffineMap& map, const Values& x) {
  const auto n = std::size_t(map.from), m = std::size_t(map.to);
  Values y(x.size() / n * m);
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] = map.bias[i % m];
    for (std::size_t k = 0; k < n; ++k) y[i] += map.weight[i % m * n + k] * x[i / m * n + k];
  }
  return y;
}
double distance(const Values& a, const Values& b) {
  double most = a.size() == b.size() ? 0 : 1e300;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}
PairMoments moments(std::int64_t from, std::int64_t to, const Values& x, const Values& y) {
  PairMoments all(from, to);
  all.add(x, y);
  return all;
}

}  // namespace

TEST_CASE("a planted map comes back, however the pairs arrive and however far from zero they lie") {
  const auto planted = random_map(7, 3, 5);
  const auto x = random(7 * 50, 1, 100), y = applied(planted, x);
  PairMoments parts(7, 3);
  for (const auto& [from, to] : {std::pair{0, 1}, {1, 20}, {20, 20}, {20, 50}})
    parts.add(std::span(x).subspan(std::size_t(7 * from), std::size_t(7 * (to - from))),
              std::span(y).subspan(std::size_t(3 * from), std::size_t(3 * (to - from))));
  CHECK(parts.count() == 50);
  for (const auto& all : {parts, moments(7, 3, x, y)}) {
    const auto found = all.ridge(0);
    CHECK(distance(found.weight, planted.weight) < 1e-12);
    CHECK(distance(found.bias, planted.bias) < 1e-10);
    CHECK(std::abs(all.r_squared(found) - 1) < 1e-12);
  }
}

TEST_CASE("at the ridge solution the gradient of the penalised error is zero, in weight and bias") {
  const double lambda = GENERATE(0.0, 0.03, 2.0);
  const std::size_t n = 40, from = 6, to = 2;
  const auto x = random(n * from, 1, 3), y = random(n * to, 2, -1);
  const auto map = moments(6, 2, x, y).ridge(lambda);
  auto error = applied(map, x);
  for (std::size_t i = 0; i < error.size(); ++i) error[i] -= y[i];
  double scale = 0;  // the mean diagonal element of the centred X^T X, the long way
  for (std::size_t c = 0; c < from; ++c) {
    double mean = 0;
    for (std::size_t i = 0; i < n; ++i) mean += x[i * from + c] / double(n);
    for (std::size_t i = 0; i < n; ++i) scale += (x[i * from + c] - mean) * (x[i * from + c] - mean) / double(from);
  }
  for (std::size_t j = 0; j < to; ++j) {
    double bias = 0;
    for (std::size_t i = 0; i < n; ++i) bias += error[i * to + j];
    CHECK(std::abs(bias) < 1e-10);
    for (std::size_t c = 0; c < from; ++c) {
      double weight = lambda * scale * map.weight[j * from + c];
      for (std::size_t i = 0; i < n; ++i) weight += error[i * to + j] * x[i * from + c];
      CHECK(std::abs(weight) < 1e-10);
    }
  }
}

TEST_CASE("R^2 is one minus the share of the variance that is left, also for pairs that were not fitted") {
  const auto x = random(30 * 4, 1), y = random(30 * 2, 2), fresh = random(20 * 4, 3, 1), wanted = random(20 * 2, 4, 2);
  const auto map = moments(4, 2, x, y).ridge(0.1);
  const auto found = applied(map, fresh);
  double left = 0, total = 0, mean[2] = {};
  for (std::size_t i = 0; i < wanted.size(); ++i) mean[i % 2] += wanted[i] / 20;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    left += (found[i] - wanted[i]) * (found[i] - wanted[i]);
    total += (wanted[i] - mean[i % 2]) * (wanted[i] - mean[i % 2]);
  }
  CHECK(std::abs(moments(4, 2, fresh, wanted).r_squared(map) - (1 - left / total)) < 1e-12);
  CHECK(map.r_squared == moments(4, 2, x, y).r_squared(map));  // of what it was fitted to
}

TEST_CASE("noise explains nothing of states that were held out") {
  const auto map = moments(5, 3, random(2000 * 5, 1), random(2000 * 3, 2)).ridge(0.01);
  const double held_out = moments(5, 3, random(2000 * 5, 3), random(2000 * 3, 4)).r_squared(map);
  CHECK(std::abs(held_out) < 0.02);
}

TEST_CASE("pairs that cannot be fitted are refused, and nothing of them is kept") {
  PairMoments all(3, 2);
  CHECK(says(message_of<format_error>([&] { all.ridge(1); }), "0 pairs are too few"));
  const auto x = random(6, 1), y = random(4, 2);
  CHECK(says(message_of<shape_error>([&] { all.add(x, random(5, 1)); }), "6 and 5 values", "3 and 2"));
  CHECK(says(message_of<shape_error>([&] { all.add(random(7, 1), y); }), "7 and 4 values"));
  auto bad = y;
  bad[3] = NAN;
  CHECK(says(message_of<format_error>([&] { all.add(x, bad); }), "pair 1", "channel 1", "wanted"));
  bad = x;
  bad[1] = INFINITY;
  CHECK(says(message_of<format_error>([&] { all.add(bad, y); }), "pair 0", "channel 1", "read"));
  CHECK(all.count() == 0);
  all.add(x, y);
  CHECK(says(message_of<format_error>([&] { all.ridge(0); }), "2 pairs are too few", "lambda"));
  CHECK(all.ridge(1).weight.size() == 6);
  CHECK(says(message_of<format_error>([&] { all.ridge(-1); }), "lambda is -1"));
  CHECK(says(message_of<format_error>([&] { all.ridge(NAN); }), "lambda"));
  CHECK(says(message_of<shape_error>([&] { all.r_squared(random_map(2, 2, 1)); }), "from width 2 to 2", "3 and 2"));
  CHECK_THROWS_AS(PairMoments(0, 2), shape_error);

  Values twice;  // both channels alike
  for (const double v : random(20, 3)) twice.insert(twice.end(), {v, v});
  const auto dependent = moments(2, 1, twice, random(20, 4));
  CHECK(says(message_of<format_error>([&] { dependent.ridge(0); }), "linearly dependent", "larger lambda"));
  const auto alike = moments(2, 1, Values(2 * 20, 0.1), random(20, 4));
  CHECK(says(message_of<format_error>([&] { alike.ridge(0.1); }), "20 states", "do not vary"));
  CHECK(says(message_of<format_error>([&] { moments(2, 1, Values(40), random(20, 4)).ridge(1); }), "do not vary"));
  CHECK(says(message_of<format_error>([&] { PairMoments(3, 2).r_squared(random_map(3, 2, 1)); }), "no pairs"));
  CHECK(std::abs(dependent.ridge(0.1).weight[0] - dependent.ridge(0.1).weight[1]) < 1e-12);
  const auto constant = moments(2, 1, random(40, 1), Values(20, 3.0));
  CHECK(says(message_of<format_error>([&] { constant.r_squared(constant.ridge(0)); }), "do not vary"));
  CHECK(!constant.ridge(0).r_squared);
}
