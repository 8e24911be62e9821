// SPDX-License-Identifier: MIT
// The sixteen-bit floats against arithmetic in double, over every pattern, tie and neighbour of a tie.
#include <cmath>

#include <modelgrow/core/dtype.hpp>
#include <tests/support/catch.hpp>

using namespace modelgrow;

namespace {

/// Value of a pattern by its definition: sign, exponent field, mantissa field.
double value(unsigned bits, int mantissa_bits, int bias) {
  const int mantissa = int(bits & ((1u << mantissa_bits) - 1)), field = int((bits & 0x7fffu) >> mantissa_bits);
  const int top = int(0x7fffu >> mantissa_bits);
  double x;
  if (field == top)
    x = mantissa ? NAN : INFINITY;
  else if (field == 0)
    x = std::ldexp(mantissa, 1 - bias - mantissa_bits);
  else
    x = std::ldexp(mantissa + (1 << mantissa_bits), field - bias - mantissa_bits);
  return bits & 0x8000u ? -x : x;
}

/// All patterns keep their value; every midpoint goes to the even neighbour, and a hair beside it to the near one.
template <class T>
long errors(int mantissa_bits, int bias) {
  long wrong = 0;
  for (unsigned b = 0; b < 0x10000; ++b) {
    T x;
    x.bits = std::uint16_t(b);
    const double v = value(b, mantissa_bits, bias);
    const float f = float(x);
    if (std::isnan(v)) {
      const T again(f);
      wrong += !std::isnan(f);
      wrong += !std::isnan(float(again));
      wrong += (again.bits & 0x8000u) != (b & 0x8000u);
      continue;
    }
    wrong += double(f) != v || std::signbit(f) != std::signbit(v);
    wrong += T(f).bits != b;
    if (std::isinf(v)) continue;
    const double next = value(b + 1, mantissa_bits, bias);  // away from zero
    const double ulp = std::fabs(v - (std::isinf(next) ? value(b - 1, mantissa_bits, bias) : next));
    const double tie = v + std::copysign(ulp / 2, v);
    if (float(tie) != tie) continue;  // below the subnormals of float: cannot be given
    const unsigned up = b + 1, even = b % 2 ? up : b;
    wrong += T(float(tie)).bits != even;
    wrong += T(std::nextafter(float(tie), 0.0f)).bits != b;
    wrong += T(std::nextafter(float(tie), std::copysign(INFINITY, float(v)))).bits != up;
  }
  return wrong;
}

}  // namespace

TEST_CASE("half precision: all 65536 patterns, all ties") { CHECK(errors<f16>(10, 15) == 0); }
TEST_CASE("bfloat16: all 65536 patterns, all ties") { CHECK(errors<bf16>(7, 127) == 0); }

TEST_CASE("the edges of half precision") {
  CHECK(f16(65504.0f).bits == 0x7bff);
  CHECK(f16(65519.996f).bits == 0x7bff);
  CHECK(f16(65520.0f).bits == 0x7c00);
  CHECK(f16(1e30f).bits == 0x7c00);
  CHECK(f16(-INFINITY).bits == 0xfc00);
  CHECK(f16(0x1p-25f).bits == 0x0000);  // tie to even zero
  CHECK(f16(std::nextafter(0x1p-25f, 1.0f)).bits == 0x0001);
  CHECK(f16(1e-40f).bits == 0x0000);
  CHECK(f16(-1e-40f).bits == 0x8000);
  CHECK(f16(0x1.ffcp-15f).bits == 0x0400);  // the largest that rounds up into the normal numbers
  CHECK(bf16(3.4e38f).bits == 0x7f80);      // beyond the largest bfloat16
}

TEST_CASE("conversions are constant expressions") {
  static_assert(f16(1.5f).bits == 0x3e00);
  static_assert(float(f16(70000.0f)) > 1e38f);
  static_assert(bf16(1.0f).bits == 0x3f80);
  static_assert(float(bf16(-2.0f)) == -2.0f);
  CHECK(f16(1.5f) == f16(1.5f));
}

TEST_CASE("names and sizes") {
  for (int i = 0; i < 22; ++i) {
    const auto t = DType(i);
    CHECK(parse_dtype(name(t)) == t);
  }
  CHECK_FALSE(parse_dtype("F31").has_value());
  CHECK_FALSE(parse_dtype("bf16").has_value());
  CHECK(bits(DType::f4) == 4);
  CHECK(bits(DType::bf16) == 16);
  CHECK(bits(DType::c64) == 64);
  CHECK(dtype_of<double> == DType::f64);
  CHECK(dtype_of<float> == DType::f32);
  CHECK(dtype_of<f16> == DType::f16);
  CHECK(dtype_of<bf16> == DType::bf16);
  int arithmetic = 0;
  for (int i = 0; i < 22; ++i) arithmetic += is_arithmetic_float(DType(i));
  CHECK(arithmetic == 4);
}
