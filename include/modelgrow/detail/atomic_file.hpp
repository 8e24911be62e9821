// SPDX-License-Identifier: MIT
// A file that appears under its name complete or not at all.
#pragma once
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>

#include <modelgrow/detail/partial.hpp>

namespace modelgrow::inline v0::detail {

/// Writes beside the target and renames on commit(); destroyed before that, it leaves nothing behind.
/// Every operation throws io_error with the path of the target.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target, Existing existing = Existing::replace)
      : target_(std::move(target)), existing_(existing) {
    check_target(target_, existing_);
    remove_leftovers(target_);
    do {
      partial_ = partial_name(target_);
      fd_ = open_file(partial_, O_WRONLY | O_CREAT | O_EXCL);
      if (!fd_ && errno != EEXIST) throw_io("write", target_);
    } while (!fd_ || !lock_partial(fd_.get(), partial_));
  }
  AtomicFile(AtomicFile&& other) noexcept
      : target_(std::move(other.target_)),
        partial_(std::exchange(other.partial_, {})),
        existing_(other.existing_),
        fd_(std::move(other.fd_)),
        end_(other.end_) {}
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile() {
    if (!partial_.empty()) ::unlink(partial_.c_str());
  }

  const std::filesystem::path& target() const { return target_; }

  /// Takes the disk space now, so that a full disk is reported before the work and not after it.
  void reserve(std::uint64_t bytes) {
    if (bytes == 0 || ::fallocate(fd_.get(), 0, 0, off_t(bytes)) == 0) return;
    if (errno != EOPNOTSUPP && errno != ENOSYS) throw_io("write " + std::to_string(bytes) + " bytes to", target_);
    if (::ftruncate(fd_.get(), off_t(bytes)) != 0) throw_io("write", target_);
  }
  /// Writes anywhere; different threads may write different places.
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), off_t(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw_io("write", target_, n < 0 ? errno : ENOSPC);
      bytes = bytes.subspan(std::size_t(n));
      offset += std::uint64_t(n);
    }
  }
  void append(std::span<const std::byte> bytes) {
    write_at(end_, bytes);
    end_ += bytes.size();
  }
  void append(std::string_view text) { append(std::as_bytes(std::span(text))); }

  /// Flushes to the disk without publishing.
  void sync() {
    if (::fsync(fd_.get()) != 0 && errno != EINVAL) throw_io("flush", target_);
  }
  void commit() {
    sync();
    publish(partial_, target_, existing_);
    partial_.clear();
  }

 private:
  std::filesystem::path target_, partial_;
  Existing existing_;
  Descriptor fd_;
  std::uint64_t end_ = 0;
};

/// Writes a small file atomically.
inline void write_file(const std::filesystem::path& path, std::string_view text,
                       Existing existing = Existing::replace) {
  AtomicFile file(path, existing);
  file.append(text);
  file.commit();
}

/// Reads a small file; throws io_error.
inline std::string read_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) throw_io("read", path, EISDIR);
  std::ifstream in(path, std::ios::binary);
  if (!in) throw_io("read", path);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad()) throw_io("read", path, EIO);
  return text;
}

}  // namespace modelgrow::inline v0::detail
