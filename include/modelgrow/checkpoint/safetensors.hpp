// SPDX-License-Identifier: MIT
// Reading safetensors files by memory mapping: https://github.com/huggingface/safetensors (README.md, "Format").
// u64 little-endian header length, JSON header, then the bytes of the tensors without gaps.
#pragma once
#include <bit>
#include <optional>

#include <modelgrow/checkpoint/mapped_tensors.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// Largest header that the reference reader and writer accept.
inline constexpr std::uint64_t max_safetensors_header = 100'000'000;
}  // namespace detail

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian and read in place");

/// Bytes of a tensor; empty when they overflow 64 bits or are not whole (sub-byte types).
std::optional<std::uint64_t> byte_size(DType dtype, const Shape& shape);

/// A mapped safetensors file.
class Safetensors : public MappedTensors {
 public:
  /// Maps the file and reads its header. Throws io_error, or format_error with the error name of the reference reader.
  static Safetensors open(const std::filesystem::path& path);

 private:
  using MappedTensors::MappedTensors;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/safetensors_inl.hpp>
#endif
