// SPDX-License-Identifier: MIT
// File descriptors that close themselves, and io_error with what to do for the reasons a system call gives.
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0::detail {

/// What a user can do about an errno of a file operation.
inline std::string_view advice(int code) {
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

/// Throws io_error: "cannot <action> '<path>': <reason>; <advice>".
[[noreturn]] inline void throw_io(std::string_view action, const std::filesystem::path& path, int code = errno) {
  throw io_error("cannot " + std::string(action) + " '" + path.string() +
                 "': " + std::generic_category().message(code) + "; " + std::string(advice(code)));
}

/// An open file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// Opens a file; EINTR is retried. The result is empty, with errno set, when that fails.
inline Descriptor open_file(const std::filesystem::path& path, int flags, mode_t mode = 0666) {
  int fd;
  do fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  return Descriptor(fd);
}

/// Makes a file, or the entries of a directory, survive a power cut.
inline void sync_path(const std::filesystem::path& path) {
  const Descriptor fd = open_file(path, O_RDONLY);
  if (!fd) throw_io("open", path);
  if (::fsync(fd.get()) != 0 && errno != EINVAL) throw_io("flush", path);  // EINVAL: a file system without fsync
}

/// Directory that holds `path` ("." for a bare name).
inline std::filesystem::path parent_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace modelgrow::inline v0::detail
