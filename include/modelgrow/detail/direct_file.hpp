// SPDX-License-Identifier: MIT
// A large file that is written once, in any order, by several threads: past the page cache where the file system allows
// it, which keeps the memory of other programs and is as fast as the disk.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include <modelgrow/detail/posix.hpp>

namespace modelgrow::inline v0::detail {

/// Offsets, sizes and memory of what goes past the page cache are multiples of this.
inline constexpr std::size_t disk_block = 4096;
/// Threads that read or write such files while as many as there are cores compute.
inline constexpr int waiting_for_disk = 2;

/// Memory for whole blocks.
class BlockBuffer {
 public:
  /// At least `bytes`, rounded up. Throws std::bad_alloc.
  explicit BlockBuffer(std::size_t bytes);
  std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::span<std::byte> first(std::size_t n) const { return {data(), n}; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::size_t size_;
  std::unique_ptr<std::byte, Free> data_;
};

/// All operations throw io_error that names the file, and the place where one failed.
class DirectFile {
 public:
  /// Makes a file of this size, or takes one that is there, and takes its room on the disk, so that a full one is
  /// reported before the work.
  static void reserve(const std::filesystem::path& path, std::uint64_t bytes);

  enum class Access { read, write };
  /// Opens a file that is there.
  DirectFile(const std::filesystem::path& path, Access access);

  /// Writes the first `bytes` of a buffer at a multiple of disk_block, and what is behind them up to the next.
  void write(std::uint64_t offset, const BlockBuffer& buffer, std::size_t bytes);
  /// Reads into a buffer; false where the file is shorter.
  bool read(std::uint64_t offset, const BlockBuffer& buffer, std::size_t bytes) const;
  /// Cuts the file to its size and flushes it.
  void finish(std::uint64_t bytes);

 private:
  /// Goes through the page cache from now on, after a refusal; false when that was tried before.
  bool leave_direct(bool& tried) const;

  std::filesystem::path path_;
  Descriptor fd_;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/detail/direct_file_inl.hpp>
#endif
