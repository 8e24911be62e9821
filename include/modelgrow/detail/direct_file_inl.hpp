// SPDX-License-Identifier: MIT
// The definitions of direct_file.hpp.
#pragma once
#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/direct_file.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Whole blocks that hold `bytes`.
inline std::size_t in_blocks(std::size_t bytes) { return (bytes + disk_block - 1) / disk_block * disk_block; }

MODELGROW_INLINE BlockBuffer::BlockBuffer(std::size_t bytes)
    : size_(std::max(in_blocks(bytes), disk_block)),
      data_(static_cast<std::byte*>(std::aligned_alloc(disk_block, size_))) {
  if (!data_) throw std::bad_alloc();
}

MODELGROW_INLINE void DirectFile::reserve(const std::filesystem::path& path, std::uint64_t bytes) {
  const Descriptor fd = open_file(path, O_WRONLY | O_CREAT);
  if (!fd) throw_io("write", path);
  if (bytes == 0 || ::fallocate(fd.get(), 0, 0, off_t(bytes)) == 0) return;
  if (errno != EOPNOTSUPP && errno != ENOSYS) throw_io("write " + std::to_string(bytes) + " bytes to", path);
  if (::ftruncate(fd.get(), off_t(bytes)) != 0) throw_io("write", path);
}

MODELGROW_INLINE DirectFile::DirectFile(const std::filesystem::path& path, Access access) : path_(path) {
  const int flags = access == Access::read ? O_RDONLY : O_RDWR;
  fd_ = open_file(path, flags | O_DIRECT);
  if (!fd_ && errno == EINVAL) fd_ = open_file(path, flags);
  if (!fd_) throw_io(access == Access::read ? "read" : "write", path);
}

MODELGROW_INLINE bool DirectFile::leave_direct(bool& tried) const {
  const int flags = ::fcntl(fd_.get(), F_GETFL);
  return flags >= 0 && !std::exchange(tried, true) && ::fcntl(fd_.get(), F_SETFL, flags & ~O_DIRECT) == 0;
}

MODELGROW_INLINE void DirectFile::write(std::uint64_t offset, const BlockBuffer& buffer, std::size_t bytes) {
  const std::size_t all = in_blocks(bytes);
  std::memset(buffer.data() + bytes, 0, all - bytes);
  bool tried = false;
  for (std::size_t at = 0; at < all;) {
    const auto n = ::pwrite(fd_.get(), buffer.data() + at, all - at, off_t(offset + at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EINVAL && leave_direct(tried)) continue;
    if (n <= 0) throw_io("write at byte " + std::to_string(offset + at) + " of", path_, n < 0 ? errno : ENOSPC);
    at += std::size_t(n);
  }
}

MODELGROW_INLINE bool DirectFile::read(std::uint64_t offset, const BlockBuffer& buffer, std::size_t bytes) const {
  bool tried = false;
  for (std::size_t at = 0; at < bytes;) {
    const auto n = ::pread(fd_.get(), buffer.data() + at, in_blocks(bytes) - at, off_t(offset + at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EINVAL && leave_direct(tried)) continue;
    if (n < 0) throw_io("read at byte " + std::to_string(offset + at) + " of", path_);
    if (n == 0) return false;
    at += std::size_t(n);
  }
  return true;
}

MODELGROW_INLINE void DirectFile::finish(std::uint64_t bytes) {
  if (::ftruncate(fd_.get(), off_t(bytes)) != 0) throw_io("write", path_);
  if (::fsync(fd_.get()) != 0 && errno != EINVAL) throw_io("flush", path_);
}

}  // namespace detail

}  // namespace modelgrow::inline v0
