// SPDX-License-Identifier: MIT
// GGUF files built by hand, piece by piece, so that each piece can be wrong.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <tests/support/safetensors_bytes.hpp>

namespace modelgrow::testing {

/// Four bytes, little-endian.
inline std::string u32(std::uint32_t n) { return u64(n).substr(0, 4); }
/// Length and bytes.
inline std::string gguf_string(std::string_view text) { return u64(text.size()) + std::string(text); }
/// A metadata value: key, type number, bytes.
inline std::string gguf_value(std::string_view key, std::uint32_t type, std::string_view bytes) {
  return gguf_string(key) + u32(type) + std::string(bytes);
}
/// A tensor info; `sizes` as in the file, the contiguous dimension first.
inline std::string gguf_tensor(std::string_view name, std::vector<std::uint64_t> sizes, std::uint32_t type,
                               std::uint64_t offset) {
  std::string text = gguf_string(name) + u32(std::uint32_t(sizes.size()));
  for (auto n : sizes) text += u64(n);
  return text + u32(type) + u64(offset);
}

/// A whole file: the counts are right, the header is padded.
struct GgufBytes {
  std::vector<std::string> values, tensors;
  std::string data;
  std::uint32_t version = 3;
  std::size_t alignment = 32;

  std::string header() const {
    std::string text = "GGUF" + u32(version) + u64(tensors.size()) + u64(values.size());
    for (const auto& v : values) text += v;
    for (const auto& t : tensors) text += t;
    return text;
  }
  std::string bytes() const {
    std::string text = header();
    text.resize((text.size() + alignment - 1) / alignment * alignment);
    return text + data;
  }
};

}  // namespace modelgrow::testing
