// SPDX-License-Identifier: MIT
// Reading safetensors files by memory mapping: https://github.com/huggingface/safetensors (README.md, "Format").
// u64 little-endian header length, JSON header, then the bytes of the tensors without gaps.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/names.hpp>

namespace modelgrow::inline v0 {

namespace detail {
class Mapping;
/// Largest header that the reference reader and writer accept.
inline constexpr std::uint64_t max_safetensors_header = 100'000'000;
}  // namespace detail

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian and read in place");

/// The text entries of a file ("format": "pt", provenance, ...).
using Metadata = std::map<std::string, std::string>;

/// Bytes of a tensor; empty when they overflow 64 bits or are not whole (sub-byte types).
std::optional<std::uint64_t> byte_size(DType dtype, const Shape& shape);

/// One tensor of a mapped file. `data` need not be aligned and lives as long as the file it came from.
struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  std::span<const std::byte> span() const { return {data, bytes}; }
};

/// A mapped safetensors file. Copies share the mapping; the views live as long as any copy.
class Safetensors {
 public:
  /// Maps the file and reads its header. Throws io_error, or format_error with the error name of the reference reader.
  static Safetensors open(const std::filesystem::path& path);

  /// Tensors in file order.
  const std::vector<TensorView>& tensors() const { return content_->tensors; }
  const Names& names() const { return names_; }
  const Metadata& metadata() const { return content_->metadata; }
  const std::filesystem::path& path() const { return content_->path; }

  const TensorView* find(std::string_view name) const;
  /// The whole file.
  std::span<const std::byte> bytes() const noexcept;
  /// Reads a part of a tensor into memory before it is used. Throws io_error, where a use would end the process, when
  /// the disk fails or the file was cut meanwhile.
  void prepare(std::span<const std::byte> part) const;
  /// Lets the memory pages of a part of a tensor leave this process after use (bounded memory); it stays valid.
  void release(std::span<const std::byte> part) const noexcept;

  /// The schema part of a list of tensors.
  static Names names_of(const std::vector<TensorView>& tensors, const std::filesystem::path& path);

 private:
  struct Content {
    std::filesystem::path path;
    Metadata metadata;
    std::vector<TensorView> tensors;
  };
  Safetensors() = default;
  std::shared_ptr<detail::Mapping> mapping_;
  std::shared_ptr<const Content> content_;
  Names names_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/safetensors_inl.hpp>
#endif
