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
std::string_view advice(int code);

/// Throws io_error: "cannot <action> '<path>': <reason>; <advice>".
[[noreturn]] void throw_io(std::string_view action, const std::filesystem::path& path, int code = errno);

/// An open file descriptor that closes itself.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// Opens a file; EINTR is retried. The result is empty, with errno set, when that fails.
Descriptor open_file(const std::filesystem::path& path, int flags, mode_t mode = 0666);

/// Makes a file, or the entries of a directory, survive a power cut.
void sync_path(const std::filesystem::path& path);

/// Directory that holds `path` ("." for a bare name).
std::filesystem::path parent_of(const std::filesystem::path& path);

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/detail/posix_inl.hpp>
#endif
