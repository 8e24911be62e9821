// SPDX-License-Identifier: MIT
// The definitions of mmap.hpp.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/mmap.hpp>
#include <modelgrow/detail/posix.hpp>

namespace modelgrow::inline v0 {

namespace detail {

inline Descriptor open_to_map(const std::filesystem::path& path) {
  Descriptor file = open_file(path, O_RDONLY);
  if (!file) throw_io("read", path);
  return file;
}

MODELGROW_INLINE void ask_for(std::span<const std::byte> part) noexcept {
  const auto page = std::uintptr_t(::sysconf(_SC_PAGESIZE));
  const auto at = std::bit_cast<std::uintptr_t>(part.data()), begin = at / page * page;
  if (!part.empty()) ::madvise(std::bit_cast<void*>(begin), at + part.size() - begin, MADV_WILLNEED);
}

MODELGROW_INLINE Mapping::Mapping(const std::filesystem::path& path) : Mapping(open_to_map(path), path) {}

MODELGROW_INLINE Mapping::Mapping(const Descriptor& file, std::filesystem::path name) : path_(std::move(name)) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) throw_io("read", path_);
  if (!S_ISREG(info.st_mode)) throw io_error("cannot read '" + path_.string() + "': it is not a regular file");
  size_ = std::size_t(info.st_size);
  if (size_ == 0) return;
  void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) throw_io("map", path_);
  data_ = static_cast<std::byte*>(memory);
}

MODELGROW_INLINE Mapping::~Mapping() {
  if (data_) ::munmap(data_, size_);
}

MODELGROW_INLINE void Mapping::prepare(std::span<const std::byte> part) const {
  if (part.empty()) return;
  const auto page = std::size_t(::sysconf(_SC_PAGESIZE));
  const auto at = std::size_t(part.data() - data_), begin = at / page * page,
             end = std::min((at + part.size() + page - 1) / page * page, (size_ + page - 1) / page * page);
  ::madvise(data_ + begin, std::min(2 * (end - begin), size_ - begin), MADV_WILLNEED);
  int bad;
  do bad = ::madvise(data_ + begin, end - begin, MADV_POPULATE_READ) == 0 ? 0 : errno;
  while (bad == EINTR || bad == EAGAIN);
  if (bad != 0 && bad != EINVAL)  // a kernel that does not know it
    throw io_error("cannot read bytes " + std::to_string(at) + " to " + std::to_string(at + part.size()) + " of '" +
                   path_.string() + "': the file was cut while it was read, or its disk has failed; check the disk, " +
                   "and fetch the file again");
}

MODELGROW_INLINE void Mapping::release(std::span<const std::byte> part) const noexcept {
  const auto page = std::size_t(::sysconf(_SC_PAGESIZE));
  const auto begin = (std::size_t(part.data() - data_) + page - 1) / page * page;
  const auto end = std::size_t(part.data() - data_ + part.size()) / page * page;
  if (begin < end) ::madvise(data_ + begin, end - begin, MADV_DONTNEED);
}

}  // namespace detail

}  // namespace modelgrow::inline v0
