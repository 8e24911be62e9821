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

/// IEEE half precision storage: round to nearest even with subnormals, NaN stays NaN.
struct f16 {
  std::uint16_t bits = 0;
  f16() = default;
  constexpr explicit f16(float value) {
    const auto u = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu;
    std::uint32_t h;
    if (magnitude > 0x7f800000u) {
      h = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
    } else if (magnitude >= 0x477ff000u) {  // 65520 and above round to infinity
      h = 0x7c00u;
    } else if (magnitude >= 0x38800000u) {  // normal half
      h = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    } else if (magnitude >= 0x33000000u) {  // subnormal half: shift the full mantissa into place
      const std::uint32_t shift = 126u - (magnitude >> 23), mantissa = (magnitude & 0x7fffffu) | 0x800000u;
      const std::uint32_t half = 1u << (shift - 1u), rest = mantissa & ((1u << shift) - 1u);
      h = mantissa >> shift;
      h += (rest > half || (rest == half && (h & 1u))) ? 1u : 0u;
    } else {
      h = 0;
    }
    bits = static_cast<std::uint16_t>(sign | h);
  }
  constexpr explicit operator float() const {
    const std::uint32_t sign = std::uint32_t(bits & 0x8000u) << 16, exponent = (bits >> 10) & 0x1fu,
                        mantissa = bits & 0x3ffu;
    if (exponent == 31u) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
    if (exponent != 0u) return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -value : value;
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

}  // namespace modelgrow::inline v0
