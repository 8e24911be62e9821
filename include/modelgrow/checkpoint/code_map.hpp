// SPDX-License-Identifier: MIT
// Numbers in codes of few bits: a map says what each code stands for, between -1 and 1 or so, and a block of numbers
// has one scale for all of them (Dettmers et al., 8-bit optimizers via block-wise quantization, arXiv 2110.02861).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

class CodeMap {
 public:
  /// What the codes 0, 1, .. stand for: 256 numbers for codes of 8 bits, 16 for those of 4, of which a byte holds two,
  /// the first in its upper half. Throws format_error that begins with `where`: another number of them, numbers that
  /// are not finite, do not rise, or are all below 0.
  CodeMap(std::span<const float> values, const std::string& where);
  /// Codes that are floats of 8 bits themselves (E4M3 without infinities).
  static CodeMap e4m3();

  std::span<const float> values() const { return values_; }
  /// Of a code.
  int bits() const { return values_.size() == 16 ? 4 : 8; }
  /// Bytes of so many codes, which begin with a byte.
  std::uint64_t bytes(std::uint64_t codes) const { return (codes * std::uint64_t(bits()) + 7) / 8; }

  /// What codes stand for: the number of each times the scale.
  void decode(std::span<const std::byte> codes, float scale, std::span<float> numbers) const;
  /// The nearest code for each number of a block, and the scale, by which the largest of them becomes the end of the
  /// map on its side. A block with a number that is not finite gets a scale that is none either. Without room for codes
  /// only the scale.
  float encode(std::span<const float> numbers, std::span<std::byte> codes) const;

 private:
  explicit CodeMap(std::vector<float> values);
  float scale_of(std::span<const float> numbers) const;
  std::uint8_t nearest(double number) const;

  std::vector<float> values_;        // by code
  std::vector<std::uint8_t> codes_;  // in the order of what they stand for
  std::vector<double> between_;      // the middle of each of these and the next one; behind them infinities
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/code_map_inl.hpp>
#endif
