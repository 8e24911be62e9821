// SPDX-License-Identifier: MIT
// Element types of checkpoints, with the two 16-bit floats that C++20 lacks.
#pragma once
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

namespace modelgrow::inline v0 {

/// Element types in the order of the safetensors enumeration (ascending alignment).
enum class DType : std::uint8_t {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  f64,
  i64,
  u64,
};

namespace detail {
struct DTypeRow {
  std::string_view name;
  int bits;
};
inline constexpr std::array<DTypeRow, 22> dtype_rows{{
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
    {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
}};
}  // namespace detail

/// Name of a type as safetensors writes it, such as "BF16".
constexpr std::string_view name(DType t) { return detail::dtype_rows[static_cast<std::size_t>(t)].name; }
/// Bits of one element.
constexpr int bits(DType t) { return detail::dtype_rows[static_cast<std::size_t>(t)].bits; }
/// Type of a safetensors name; empty when the name is unknown.
constexpr std::optional<DType> parse_dtype(std::string_view text) {
  for (std::size_t i = 0; i < detail::dtype_rows.size(); ++i)
    if (detail::dtype_rows[i].name == text) return static_cast<DType>(i);
  return std::nullopt;
}
/// Whether growth can do arithmetic on the type (all others pass through untouched).
constexpr bool is_arithmetic_float(DType t) {
  return t == DType::f64 || t == DType::f32 || t == DType::f16 || t == DType::bf16;
}

/// bfloat16 storage: round to nearest even, NaN stays NaN.
struct bf16 {
  std::uint16_t bits = 0;
  bf16() = default;
  constexpr explicit bf16(float value) {
    const auto u = std::bit_cast<std::uint32_t>(value);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    bits = static_cast<std::uint16_t>(nan ? (u >> 16) | 0x0040u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  constexpr explicit operator float() const { return std::bit_cast<float>(std::uint32_t(bits) << 16); }
  constexpr bool operator==(const bf16&) const = default;
};

/// IEEE half precision storage: round to nearest even with subnormals, NaN stays NaN. Without branches, so that loops
/// vectorise (the method of Marat Dukhan's FP16 library: let a float addition do the rounding).
struct f16 {
  std::uint16_t bits = 0;
  f16() = default;
  constexpr explicit f16(float value) {
    const auto u = std::bit_cast<std::int32_t>(value);
    const std::int32_t magnitude = u & 0x7fffffff;
    // Everything from 2^16 on is infinite. Adding 2^(exponent + 15) to 4 times the value leaves the ten bits that a
    // half keeps, or fewer below its smallest normal 2^-14, rounded by the floating-point unit.
    const float scaled = 4.0f * std::bit_cast<float>(magnitude < 0x47800000 ? magnitude : 0x47800000);
    const std::int32_t exponent = std::bit_cast<std::int32_t>(scaled) & 0x7f800000;
    const std::int32_t anchor = (exponent > 0x39800000 ? exponent : 0x39800000) + 0x06800000;
    const auto sum = std::bit_cast<std::int32_t>(std::bit_cast<float>(anchor) + scaled);
    const std::int32_t number = ((sum >> 13) & 0x7c00) + (sum & 0x0fff);
    const std::int32_t nan = 0x7e00 | ((u >> 13) & 0x3ff), is_nan = -std::int32_t(magnitude > 0x7f800000);
    bits = static_cast<std::uint16_t>(((u >> 16) & 0x8000) | (nan & is_nan) | (number & ~is_nan));
  }
  constexpr explicit operator float() const {
    const std::int32_t h = bits, sign = (h & 0x8000) << 16, magnitude = h & 0x7fff;
    // Normal, infinite and NaN: the exponent field moves from bias 15 to 127, by way of 239 to keep 31 at the top.
    const float normal = std::bit_cast<float>((magnitude << 13) + (224 << 23)) * 0x1p-112f;
    // Subnormal: the mantissa placed below 0.5, and 0.5 taken away.
    const float subnormal = std::bit_cast<float>(magnitude | (126 << 23)) - 0.5f;
    const std::int32_t small = -std::int32_t(magnitude < 0x400);
    return std::bit_cast<float>(sign | (std::bit_cast<std::int32_t>(subnormal) & small) |
                                (std::bit_cast<std::int32_t>(normal) & ~small));
  }
  constexpr bool operator==(const f16&) const = default;
};

/// A C++ type that tensors of float kind may have.
template <class T>
concept Element = std::same_as<T, double> || std::same_as<T, float> || std::same_as<T, f16> || std::same_as<T, bf16>;

/// The DType that stores a C++ type.
template <Element T>
inline constexpr DType dtype_of = std::same_as<T, double>  ? DType::f64
                                  : std::same_as<T, float> ? DType::f32
                                  : std::same_as<T, f16>   ? DType::f16
                                                           : DType::bf16;

/// One value as another type, rounded once to nearest even.
template <Element To, Element From>
constexpr To element_cast(From value) {
  if constexpr (std::same_as<To, From>) {
    return value;
  } else if constexpr (std::same_as<From, double> && !std::same_as<To, float>) {
    // Rounding to float first and to 16 bits after would round twice. A float rounded to odd keeps a trace of
    // everything that was cut off, so the second rounding is exact (Boldo and Melquiond 2008).
    const float nearest = static_cast<float>(value);
    const auto bits_of = [](double x) { return std::bit_cast<std::int64_t>(x) & INT64_MAX; };
    const std::int64_t excess = bits_of(nearest) - bits_of(value);  // > 0: rounded away from zero, so step back
    auto u = std::bit_cast<std::int32_t>(nearest);
    u = (u - std::int32_t(excess > 0)) | std::int32_t(excess != 0);
    return To(std::bit_cast<float>(u));
  } else if constexpr (std::same_as<From, double>) {
    return static_cast<float>(value);
  } else {
    return static_cast<To>(static_cast<float>(value));
  }
}

}  // namespace modelgrow::inline v0
