// SPDX-License-Identifier: MIT
// Streaming safetensors writer: declare every tensor, write the bytes in any order and pieces, commit.
#pragma once
#include <unordered_map>

#include <modelgrow/checkpoint/layout.hpp>
#include <modelgrow/detail/atomic_file.hpp>

namespace modelgrow::inline v0 {

/// Writes one safetensors file. Space is reserved at once; nothing is visible before commit(), and nothing stays
/// behind when the writer is destroyed without it. Different tensors may be written by different threads.
/// Throws io_error (full disk, permissions) and format_error (duplicate or unknown names, too many or too few bytes).
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::filesystem::path& path, std::vector<NamedShape> tensors, const Metadata& metadata = {},
                    Existing existing = Existing::replace)
      : SafetensorsWriter(layout_of(path, std::move(tensors), metadata), existing) {}
  SafetensorsWriter(FileLayout layout, Existing existing);

  /// Tensors in file order; writing them in this order is fastest.
  const std::vector<NamedShape>& tensors() const { return layout_.tensors; }
  const std::filesystem::path& path() const { return file_.target(); }

  /// Appends bytes to one tensor.
  void write(std::string_view name, std::span<const std::byte> bytes);

  /// Checks that every byte was written and flushes to the disk; the file is not visible yet.
  void finish();
  void commit();

 private:
  FileLayout layout_;
  detail::AtomicFile file_;
  std::unordered_map<std::string_view, std::size_t> place_;
  std::vector<std::uint64_t> written_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/writer_inl.hpp>
#endif
