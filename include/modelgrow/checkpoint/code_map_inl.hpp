// SPDX-License-Identifier: MIT
// The definitions of code_map.hpp.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include <modelgrow/checkpoint/code_map.hpp>
#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE CodeMap::CodeMap(std::vector<float> values) : values_(std::move(values)) {
  for (std::size_t code = 0; code < values_.size(); ++code)
    if (std::isfinite(values_[code]) && !(values_[code] == 0 && std::signbit(values_[code])))
      codes_.push_back(std::uint8_t(code));
  std::ranges::stable_sort(codes_, {}, [&](std::uint8_t code) { return values_[code]; });
  for (std::size_t i = 0; i + 1 < codes_.size(); ++i)
    between_.push_back((double(values_[codes_[i]]) + double(values_[codes_[i + 1]])) / 2);
  between_.resize(255, std::numeric_limits<double>::infinity());
}

MODELGROW_INLINE CodeMap::CodeMap(std::span<const float> values, const std::string& where)
    : CodeMap(std::vector<float>(values.begin(), values.end())) {
  const auto fail = [&](const std::string& what) { throw format_error(where + " " + what); };
  if (values.size() != 256 && values.size() != 16)
    fail("has " + std::to_string(values.size()) +
         " numbers, one for each code; expected 256, or 16: the file is altered, or of another version of its package");
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]) || (i > 0 && !(values[i] > values[i - 1])))
      fail("does not rise at number " + std::to_string(i) + ": " + std::to_string(values[i]) +
           "; the file is altered, or of another version of its package");
  if (!(values.back() > 0)) fail("has no number above 0; the file is altered");
}

MODELGROW_INLINE CodeMap CodeMap::e4m3() {
  std::vector<float> values;
  constexpr int sign = 128, fractions = 8, bias = 7;
  for (int code = 0; code < 256; ++code) {
    const int exponent = code % sign / fractions, fraction = code % fractions;
    const bool nan = code % sign == sign - 1;
    const float size = nan             ? std::numeric_limits<float>::quiet_NaN()
                       : exponent == 0 ? std::ldexp(float(fraction), 1 - bias - 3)
                                       : std::ldexp(float(fractions + fraction), exponent - bias - 3);
    values.push_back(code < sign ? size : -size);
  }
  return CodeMap(std::move(values));
}

MODELGROW_INLINE std::uint8_t CodeMap::nearest(double number) const {
  std::size_t below = 0;  // how many middles are; of 255, without a branch
  for (std::size_t step = 128; step > 0; step /= 2) below += between_[below + step - 1] <= number ? step : 0;
  return codes_[below];
}

MODELGROW_INLINE float CodeMap::scale_of(std::span<const float> numbers) const {
  float least = 0, most = 0;
  for (const float x : numbers) {
    if (!std::isfinite(x)) return std::numeric_limits<float>::quiet_NaN();
    least = std::min(least, x);
    most = std::max(most, x);
  }
  const double first = values_[codes_.front()], last = values_[codes_.back()];
  const double up = most / last, down = first < 0 ? least / first : 0;
  constexpr double rounding = 1e-6;  // of numbers that were decoded: then the scale is the one that they had
  return float(std::min<double>(down > up * (1 + rounding) ? down : up, std::numeric_limits<float>::max()));
}

MODELGROW_INLINE void CodeMap::decode(std::span<const std::byte> codes, float scale, std::span<float> numbers) const {
  if (bits() == 8) {
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = values_[std::size_t(codes[i])] * scale;
    return;
  }
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = values_[(std::size_t(codes[i / 2]) >> (i % 2 ? 0 : 4)) & 15] * scale;
}

MODELGROW_INLINE float CodeMap::encode(std::span<const float> numbers, std::span<std::byte> codes) const {
  const float scale = scale_of(numbers);
  if (codes.empty()) return scale;
  std::ranges::fill(codes, std::byte{0});
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto code = nearest(scale > 0 ? double(numbers[i]) / double(scale) : 0.0);
    if (bits() == 8)
      codes[i] = std::byte(code);
    else
      codes[i / 2] |= std::byte(code << (i % 2 ? 0 : 4));
  }
  return scale;
}

}  // namespace modelgrow::inline v0
