// SPDX-License-Identifier: MIT
// Numbers of tensors of every type that torch has, decoded here from their bits, and the names that torch gives the
// types.
#pragma once
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/mapped_tensors.hpp>

namespace modelgrow::testing {

inline std::string torch_name(DType t) {
  switch (t) {
    case DType::boolean:
      return "bool";
    case DType::u8:
      return "uint8";
    case DType::i8:
      return "int8";
    case DType::f8_e5m2:
      return "float8_e5m2";
    case DType::f8_e4m3:
      return "float8_e4m3fn";
    case DType::f8_e8m0:
      return "float8_e8m0fnu";
    case DType::f8_e4m3fnuz:
      return "float8_e4m3fnuz";
    case DType::f8_e5m2fnuz:
      return "float8_e5m2fnuz";
    case DType::i16:
      return "int16";
    case DType::u16:
      return "uint16";
    case DType::f16:
      return "float16";
    case DType::bf16:
      return "bfloat16";
    case DType::i32:
      return "int32";
    case DType::u32:
      return "uint32";
    case DType::f32:
      return "float32";
    case DType::c64:
      return "complex64";
    case DType::f64:
      return "float64";
    case DType::i64:
      return "int64";
    case DType::u64:
      return "uint64";
    default:
      return {};
  }
}

/// A float of 8 bits that is finite: sign, exponent, mantissa.
inline double small_float(unsigned bits, int mantissa_bits, int bias) {
  const unsigned fraction = bits & ((1u << mantissa_bits) - 1), exponent = (bits & 0x7F) >> mantissa_bits;
  const double scale = std::ldexp(1.0, -mantissa_bits);
  const double size =
      exponent ? std::ldexp(1 + fraction * scale, int(exponent) - bias) : std::ldexp(fraction * scale, 1 - bias);
  return bits & 0x80 ? -size : size;
}

/// All of them in order; two for a complex one.
inline std::vector<double> numbers_of(const TensorView& t) {
  std::vector<double> numbers;
  const auto all = [&]<class T>(T value) {
    for (std::size_t i = 0; i + sizeof value <= t.bytes; i += sizeof value) {
      std::memcpy(&value, t.data + i, sizeof value);
      numbers.push_back(double(value));
    }
  };
  const auto halves = [&]<class T>(T value) {
    for (std::size_t i = 0; i + sizeof value <= t.bytes; i += sizeof value) {
      std::memcpy(&value, t.data + i, sizeof value);
      numbers.push_back(double(float(value)));
    }
  };
  const auto eighths = [&](int mantissa_bits, int bias) {
    for (std::size_t i = 0; i < t.bytes; ++i) numbers.push_back(small_float(unsigned(t.data[i]), mantissa_bits, bias));
  };
  switch (t.dtype) {
    case DType::boolean:
    case DType::u8:
      all(std::uint8_t{});
      break;
    case DType::i8:
      all(std::int8_t{});
      break;
    case DType::f8_e5m2:
      eighths(2, 15);
      break;
    case DType::f8_e4m3:
      eighths(3, 7);
      break;
    case DType::f8_e4m3fnuz:
      eighths(3, 8);
      break;
    case DType::f8_e5m2fnuz:
      eighths(2, 16);
      break;
    case DType::f8_e8m0:
      for (std::size_t i = 0; i < t.bytes; ++i) numbers.push_back(std::ldexp(1.0, int(t.data[i]) - 127));
      break;
    case DType::i16:
      all(std::int16_t{});
      break;
    case DType::u16:
      all(std::uint16_t{});
      break;
    case DType::f16:
      halves(f16{});
      break;
    case DType::bf16:
      halves(bf16{});
      break;
    case DType::i32:
      all(std::int32_t{});
      break;
    case DType::u32:
      all(std::uint32_t{});
      break;
    case DType::f32:
    case DType::c64:
      all(float{});
      break;
    case DType::f64:
      all(double{});
      break;
    case DType::i64:
      all(std::int64_t{});
      break;
    case DType::u64:
      all(std::uint64_t{});
      break;
    default:
      break;
  }
  return numbers;
}

}  // namespace modelgrow::testing
