// SPDX-License-Identifier: MIT
// Matrices in GGML blocks of random bits, whose scales are small numbers.
#pragma once
#include <string>
#include <vector>

#include <modelgrow/core/dequantise.hpp>
#include <modelgrow/core/rng.hpp>
#include <tests/support/catch.hpp>

namespace modelgrow::testing {

class RandomBlocks {
 public:
  RandomBlocks(GgmlType type, std::int64_t rows, std::int64_t columns, std::uint64_t stream)
      : matrix_{.type = type, .rows = rows, .columns = columns, .data = nullptr} {
    const auto [id, name, elements, size] = info(type);
    REQUIRE(columns % elements == 0);
    bytes_.resize(std::size_t(rows * matrix_.row_bytes()));
    const Rng rng(11, stream);
    const auto put = [&](std::size_t at, auto value) { std::memcpy(bytes_.data() + at, &value, sizeof value); };
    for (std::size_t block = 0, at = 0; at < bytes_.size(); ++block, at += std::size_t(size)) {
      const float number = 0.02f * float(rng.normal(block));
      if (type == GgmlType::f32) put(at, number);
      if (type == GgmlType::bf16) put(at, bf16(number));
      if (type == GgmlType::f16) put(at, f16(number));
      if (elements == 1) continue;
      for (std::size_t i = 0; i < std::size_t(size); i += 4) {
        const std::uint64_t bits = rng.bits(block * 64 + i / 4);
        std::memcpy(bytes_.data() + at + i, &bits, std::min<std::size_t>(4, std::size_t(size) - i));
      }
      const bool minimum =
          type == GgmlType::q4_1 || type == GgmlType::q5_1 || type == GgmlType::q4_k || type == GgmlType::q5_k;
      put(at + (type == GgmlType::q6_k ? 208 : 0), f16(number));
      if (minimum) put(at + 2, f16(0.5f * number));
    }
  }
  QuantisedMatrix matrix() const {
    QuantisedMatrix m = matrix_;
    m.data = bytes_.data();
    return m;
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  QuantisedMatrix matrix_;
  std::vector<std::byte> bytes_;
};

}  // namespace modelgrow::testing
