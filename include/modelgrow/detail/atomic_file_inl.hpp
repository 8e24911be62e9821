// SPDX-License-Identifier: MIT
// The definitions of atomic_file.hpp.
#pragma once
#include <fstream>
#include <iterator>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_file.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE AtomicFile::AtomicFile(std::filesystem::path target, Existing existing)
    : target_(std::move(target)), existing_(existing) {
  check_target(target_, existing_);
  remove_leftovers(target_);
  do {
    partial_ = partial_name(target_);
    fd_ = open_file(partial_, O_WRONLY | O_CREAT | O_EXCL);
    if (!fd_ && errno != EEXIST) throw_io("write", target_);
  } while (!fd_ || !lock_partial(fd_.get(), partial_));
}

MODELGROW_INLINE AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : target_(std::move(other.target_)),
      partial_(std::exchange(other.partial_, {})),
      existing_(other.existing_),
      fd_(std::move(other.fd_)),
      end_(other.end_) {}

MODELGROW_INLINE AtomicFile::~AtomicFile() {
  if (!partial_.empty()) ::unlink(partial_.c_str());
}

MODELGROW_INLINE void AtomicFile::reserve(std::uint64_t bytes) {
  if (bytes == 0 || ::fallocate(fd_.get(), 0, 0, off_t(bytes)) == 0) return;
  if (errno != EOPNOTSUPP && errno != ENOSYS) throw_io("write " + std::to_string(bytes) + " bytes to", target_);
  if (::ftruncate(fd_.get(), off_t(bytes)) != 0) throw_io("write", target_);
}

MODELGROW_INLINE void AtomicFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), off_t(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw_io("write", target_, n < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(std::size_t(n));
    offset += std::uint64_t(n);
  }
}

MODELGROW_INLINE void AtomicFile::append(std::span<const std::byte> bytes) {
  write_at(end_, bytes);
  end_ += bytes.size();
}

MODELGROW_INLINE void AtomicFile::sync() {
  if (::fsync(fd_.get()) != 0 && errno != EINVAL) throw_io("flush", target_);
}

MODELGROW_INLINE void AtomicFile::commit() {
  sync();
  publish(partial_, target_, existing_);
  partial_.clear();
}

MODELGROW_INLINE void write_file(const std::filesystem::path& path, std::string_view text, Existing existing) {
  AtomicFile file(path, existing);
  file.append(text);
  file.commit();
}

MODELGROW_INLINE std::string read_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) throw_io("read", path, EISDIR);
  std::ifstream in(path, std::ios::binary);
  if (!in) throw_io("read", path);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad()) throw_io("read", path, EIO);
  return text;
}

}  // namespace detail

}  // namespace modelgrow::inline v0
