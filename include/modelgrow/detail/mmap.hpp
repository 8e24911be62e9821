// SPDX-License-Identifier: MIT
// A file as read-only memory, shared with the page cache.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

namespace modelgrow::inline v0::detail {

class Descriptor;

/// Asks for a part of any memory that is going to be read soon, and does not wait: places all over a mapped file, asked
/// for together, come from the disk together, where each read alone would wait for it.
void ask_for(std::span<const std::byte> part) noexcept;

/// Read-only mapping of a whole file. The file must not be shortened while it is mapped; replacing it by rename is
/// safe.
class Mapping {
 public:
  /// Throws io_error.
  explicit Mapping(const std::filesystem::path& path);
  /// Of an open file, whose name is for errors only: it may have none.
  Mapping(const Descriptor& file, std::filesystem::path name);
  Mapping(Mapping&&) = delete;
  ~Mapping();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Reads a part into memory before it is used, so that a disk that fails or a file that was cut throws io_error with
  /// the place, where a use would end the process; and asks for as much behind it.
  void prepare(std::span<const std::byte> part) const;
  /// Lets the pages of a part that has been read leave this process; reading it again is slower but correct.
  void release(std::span<const std::byte> part) const noexcept;

 private:
  std::filesystem::path path_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/detail/mmap_inl.hpp>
#endif
