// SPDX-License-Identifier: MIT
// Reading GGUF files (versions 2 and 3) by memory mapping: https://github.com/ggml-org/ggml (docs/gguf.md,
// src/gguf.cpp). "GGUF", u32 version, i64 tensors, i64 values; the values; the tensor infos; padding; the bytes of the
// tensors. A model may be split into several such files.
#pragma once
#include <filesystem>
#include <map>
#include <memory>

#include <modelgrow/checkpoint/gguf_value.hpp>
#include <modelgrow/core/dequantise.hpp>

namespace modelgrow::inline v0 {

namespace detail {
class GgufParser;
class Mapping;
}  // namespace detail

/// One tensor of a mapped file, rows in blocks of `type`. `data` need not be aligned and lives as long as the file.
struct GgufTensor {
  std::string name;
  GgmlType type = GgmlType::f32;
  Shape shape;  // row-major as everywhere in this library: a linear layer is [out, in]; the file has it reversed
  std::span<const std::byte> data;
  /// The tensor as rows of its last dimension.
  QuantisedMatrix matrix() const;
};

/// Whether a file is to be read as GGUF: by its ending in any case, or by its first bytes under any name.
bool is_gguf(const std::filesystem::path& path);

/// A mapped GGUF model. Copies share the mapping; tensors and strings live as long as any copy.
class Gguf {
 public:
  /// Maps the file and reads everything but the tensors' bytes; any part of a split model stands for all of them, whose
  /// metadata are those of the first. Throws io_error, or format_error that says what is wrong where.
  static Gguf open(const std::filesystem::path& path);

  std::uint32_t version() const;
  const GgufMetadata& metadata() const;
  /// Tensors in file order, part by part.
  const std::vector<GgufTensor>& tensors() const;
  const std::filesystem::path& path() const { return path_; }

  const GgufTensor* find(std::string_view name) const;
  /// Throws format_error with the nearest names.
  const GgufTensor& at(std::string_view name) const;
  /// Lets the memory pages of a tensor leave this process after use (bounded memory); its data stays valid.
  void release(const GgufTensor& tensor) const noexcept;

 private:
  Gguf() = default;
  std::vector<std::shared_ptr<detail::Mapping>> parts_;
  std::shared_ptr<const detail::GgufParser> content_;  // of the first part, with the tensors of all
  std::filesystem::path path_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/gguf_inl.hpp>
#endif
