// SPDX-License-Identifier: MIT
// Streaming safetensors writer: declare every tensor, write the bytes in any order and pieces, commit. The file
// is byte for byte what the reference writer makes: tensors by (dtype descending, name), header padded to 8 bytes.
#pragma once
#include <unordered_map>

#include <modelgrow/checkpoint/safetensors.hpp>
#include <modelgrow/detail/atomic_file.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// Bytes of a declared tensor; throws format_error for what no file can hold.
std::uint64_t declared_bytes(const NamedShape& t, const std::filesystem::path& path);
}  // namespace detail

/// Writes one safetensors file. Space is reserved at once; nothing is visible before commit(), and nothing stays
/// behind when the writer is destroyed without it. Different tensors may be written by different threads.
/// Throws io_error (full disk, permissions) and format_error (duplicate or unknown names, too many or too few bytes).
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::filesystem::path& path, std::vector<NamedShape> tensors, const Metadata& metadata = {},
                    Existing existing = Existing::replace);

  /// Tensors in file order; writing them in this order is fastest.
  const std::vector<NamedShape>& tensors() const { return tensors_; }
  const std::filesystem::path& path() const { return file_.target(); }

  /// Appends bytes to one tensor.
  void write(std::string_view name, std::span<const std::byte> bytes);

  /// Checks that every byte was written and flushes to the disk; the file is not visible yet.
  void finish();
  void commit();

 private:
  struct Slot {
    std::uint64_t begin = 0, bytes = 0, written = 0;
  };
  std::vector<NamedShape> tensors_;
  detail::AtomicFile file_;
  std::unordered_map<std::string, Slot> slots_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/writer_inl.hpp>
#endif
