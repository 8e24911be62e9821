// SPDX-License-Identifier: MIT
// The definitions of posix.hpp.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/posix.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE std::string_view advice(int code) {
  switch (code) {
    case ENOSPC:
      return "free space on that disk or choose another place";
    case EDQUOT:
      return "your disk quota is used up: delete files or choose another place";
    case EFBIG:
      return "the file size limit is reached: raise `ulimit -f` or write smaller shards";
    case EROFS:
      return "that disk is read-only: choose another place";
    case EACCES:
    case EPERM:
      return "check the permissions of the file and its directory";
    case ENOENT:
      return "check the path; its directory must exist";
    case EMFILE:
    case ENFILE:
      return "too many open files: raise `ulimit -n`";
    case EEXIST:
    case ENOTEMPTY:
      return "choose another name, remove it, or ask for it to be replaced";
    case ENAMETOOLONG:
      return "choose a shorter name";
    default:
      return "check the disk and its mount";
  }
}

MODELGROW_INLINE void throw_io(std::string_view action, const std::filesystem::path& path, int code) {
  throw io_error("cannot " + std::string(action) + " '" + path.string() +
                 "': " + std::generic_category().message(code) + "; " + std::string(advice(code)));
}

MODELGROW_INLINE Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

MODELGROW_INLINE Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

MODELGROW_INLINE Descriptor open_file(const std::filesystem::path& path, int flags, mode_t mode) {
  int fd;
  do fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  return Descriptor(fd);
}

MODELGROW_INLINE void sync_path(const std::filesystem::path& path) {
  const Descriptor fd = open_file(path, O_RDONLY);
  if (!fd) throw_io("open", path);
  if (::fsync(fd.get()) != 0 && errno != EINVAL) throw_io("flush", path);  // EINVAL: a file system without fsync
}

MODELGROW_INLINE std::filesystem::path parent_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace detail

}  // namespace modelgrow::inline v0
