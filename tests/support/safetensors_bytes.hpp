// SPDX-License-Identifier: MIT
// safetensors files built by hand, independent of the writer under test.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace modelgrow::testing {

/// Eight bytes, little-endian.
inline std::string u64(std::uint64_t n) {
  std::string text;
  for (int i = 0; i < 8; ++i) text.push_back(char(n >> (8 * i)));
  return text;
}

/// Length, header and data, without padding.
inline std::string file(std::string_view header, std::string_view data = {}) {
  return u64(header.size()) + std::string(header) + std::string(data);
}

/// Header of one tensor "t".
inline std::string entry(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return R"({"t":{"dtype":")" + std::string(dtype) + R"(","shape":)" + std::string(shape) + R"(,"data_offsets":)" +
         std::string(offsets) + "}}";
}

}  // namespace modelgrow::testing
