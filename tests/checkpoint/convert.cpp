// SPDX-License-Identifier: MIT
// Conversions round once, to nearest even, from and to any address.
#include <cmath>
#include <cstring>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/core/rng.hpp>
#include <tests/support/catch.hpp>

using namespace modelgrow;

namespace {

/// Rounds in double: `digits` significant bits, smallest exponent `low` (of the last place), infinite from `limit` on.
double rounded(double x, int digits, int low, double limit) {
  if (std::isnan(x) || std::isinf(x)) return x;
  int exponent;
  std::frexp(x, &exponent);
  const int last = std::max(exponent - digits, low);
  const double y = std::ldexp(std::nearbyint(std::ldexp(x, -last)), last);
  return std::fabs(y) >= limit ? std::copysign(INFINITY, x) : y;
}
double to_half(double x) { return rounded(x, 11, -24, 65536.0); }
double to_brain(double x) { return rounded(x, 8, -133, 0x1p128); }

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

/// Values that hit every exponent, ties and their neighbours in double.
std::vector<double> awkward() {
  std::vector<double> values{0.0,   -0.0,   INFINITY, -INFINITY, NAN,   5e-324,
                             1e300, -1e300, 65504,    65519.999, 65520, 65536};
  const Rng rng(3);
  for (int e = -160; e < 140; ++e)
    for (std::uint64_t i = 0; i < 40; ++i) {
      const int cut = int(rng.below(std::uint64_t(e + 200) * 100 + i, 14)) + 1;
      const double tie = std::ldexp(double(2 * rng.below(std::uint64_t(e + 200) * 1000 + i, 1u << cut) + 1), e - cut);
      for (double x : {tie, std::nextafter(tie, 0), std::nextafter(tie, 1e308), double(float(tie))}) {
        values.push_back(x);
        values.push_back(-x);
      }
    }
  return values;
}

template <class From, class To>
std::vector<To> converted(const std::vector<From>& from, std::size_t shift) {
  std::vector<std::byte> source(from.size() * sizeof(From) + shift), target(from.size() * sizeof(To) + shift);
  std::memcpy(source.data() + shift, from.data(), from.size() * sizeof(From));
  convert(dtype_of<From>, source.data() + shift, dtype_of<To>, target.data() + shift, std::int64_t(from.size()));
  std::vector<To> to(from.size());
  std::memcpy(to.data(), target.data() + shift, to.size() * sizeof(To));
  return to;
}

}  // namespace

TEST_CASE("double to sixteen bits rounds once") {
  // 1 + 2^-8 is a tie of bfloat16; a little more must go up, although float cannot hold that little.
  CHECK(float(element_cast<bf16>(1 + 0x1p-8)) == 1.0f);
  CHECK(float(element_cast<bf16>(1 + 0x1p-8 + 0x1p-40)) == 1.0f + 0x1p-7f);
  CHECK(float(element_cast<f16>(1 + 0x1p-11 + 0x1p-40)) == 1.0f + 0x1p-10f);
  CHECK(float(element_cast<f16>(1 + 3 * 0x1p-11 - 0x1p-40)) == 1.0f + 0x1p-10f);
  static_assert(element_cast<bf16>(1 + 0x1p-8 + 0x1p-40).bits == 0x3f81);
}

TEST_CASE("every conversion agrees with rounding done in double, at every misalignment") {
  const auto values = awkward();
  std::vector<float> floats;
  for (double x : values) floats.push_back(float(x));
  for (std::size_t shift : {0u, 1u, 3u, 4u}) {
    const auto h = converted<double, f16>(values, shift);
    const auto b = converted<double, bf16>(values, shift);
    const auto f = converted<double, float>(values, shift);
    const auto fh = converted<float, f16>(floats, shift);
    const auto fb = converted<float, bf16>(floats, shift);
    const auto hd = converted<f16, double>(h, shift);
    const auto bh = converted<bf16, f16>(b, shift);
    const auto hb = converted<f16, bf16>(h, shift);
    long wrong = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      wrong += !same(float(h[i]), to_half(values[i]));
      wrong += !same(float(b[i]), to_brain(values[i]));
      wrong += !same(f[i], float(values[i]));
      wrong += !same(float(fh[i]), to_half(floats[i]));
      wrong += !same(float(fb[i]), to_brain(floats[i]));
      wrong += !same(hd[i], float(h[i]));
      wrong += !same(float(bh[i]), to_half(float(b[i])));
      wrong += !same(float(hb[i]), to_brain(float(h[i])));
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("long runs are converted whole, whatever the chunks of the threads") {
  const std::size_t n = (std::size_t{1} << 17) + 12345;
  std::vector<bf16> from(n);
  for (std::size_t i = 0; i < n; ++i) from[i].bits = std::uint16_t(i * 7);
  const auto to = converted<bf16, float>(from, 0);
  const auto back = converted<float, bf16>(to, 0);
  long wrong = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const bool nan = std::isnan(float(from[i]));
    wrong += nan ? !std::isnan(to[i]) : back[i].bits != from[i].bits;
  }
  CHECK(wrong == 0);
}

TEST_CASE("equal types are copied, whatever they are; other types without arithmetic are refused") {
  const std::string text = "abcdefgh";
  std::string copy(8, ' ');
  const auto* from = reinterpret_cast<const std::byte*>(text.data());
  auto* to = reinterpret_cast<std::byte*>(copy.data());
  convert(DType::f4, from, DType::f4, to, 7);  // 28 bits: four bytes
  CHECK(copy == "abcd    ");
  convert(DType::i64, from, DType::i64, to, 1);
  CHECK(copy == text);
  convert(DType::f32, nullptr, DType::bf16, nullptr, 0);
  CHECK_THROWS_AS(convert(DType::i32, from, DType::f32, to, 1), format_error);
  CHECK_THROWS_AS(convert(DType::f32, from, DType::f8_e4m3, to, 1), format_error);
}
