// SPDX-License-Identifier: MIT
// A mapped file as named tensors, whatever its format.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/names.hpp>

namespace modelgrow::inline v0 {

namespace detail {
class Mapping;
}

/// The text entries of a file ("format": "pt", provenance, ...).
using Metadata = std::map<std::string, std::string>;

/// One tensor of a mapped file. `data` need not be aligned and lives as long as the file it came from.
struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  std::span<const std::byte> span() const { return {data, bytes}; }
};

/// Tensors of a mapped file. Copies share the mapping; the views live as long as any copy.
class MappedTensors {
 public:
  /// What a reader found. `mappings` hold the bytes of all tensors, those of the file first. Throws format_error for
  /// two tensors of one name.
  MappedTensors(const std::filesystem::path& path, Metadata metadata, std::vector<TensorView> tensors,
                std::vector<std::shared_ptr<detail::Mapping>> mappings);

  /// Tensors in file order.
  const std::vector<TensorView>& tensors() const { return content_->tensors; }
  const Names& names() const { return names_; }
  const Metadata& metadata() const { return content_->metadata; }
  const std::filesystem::path& path() const { return content_->path; }

  const TensorView* find(std::string_view name) const;
  /// The parts of memory that hold tensors, the whole file first.
  std::vector<std::span<const std::byte>> memory() const;
  const std::vector<std::shared_ptr<detail::Mapping>>& mappings() const { return mappings_; }
  /// Reads a part of a tensor into memory before it is used. Throws io_error, where a use would end the process, when
  /// the disk fails or the file was cut meanwhile.
  void prepare(std::span<const std::byte> part) const;
  /// Lets the memory pages of a part of a tensor leave this process after use (bounded memory); it stays valid.
  void release(std::span<const std::byte> part) const noexcept;

 private:
  struct Content {
    std::filesystem::path path;
    Metadata metadata;
    std::vector<TensorView> tensors;
  };
  const detail::Mapping& mapping_of(std::span<const std::byte> part) const noexcept;
  std::vector<std::shared_ptr<detail::Mapping>> mappings_;
  std::shared_ptr<const Content> content_;
  Names names_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/mapped_tensors_inl.hpp>
#endif
