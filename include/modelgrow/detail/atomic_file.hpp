// SPDX-License-Identifier: MIT
// A file that appears under its name complete or not at all.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <modelgrow/detail/partial.hpp>

namespace modelgrow::inline v0::detail {

/// Writes beside the target and renames on commit(); destroyed before that, it leaves nothing behind.
/// Every operation throws io_error with the path of the target.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target, Existing existing = Existing::replace);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  const std::filesystem::path& target() const { return target_; }
  /// Where the bytes lie before commit().
  const std::filesystem::path& partial() const { return partial_; }

  /// Takes the disk space now, so that a full disk is reported before the work and not after it.
  void reserve(std::uint64_t bytes);
  /// Writes anywhere; different threads may write different places.
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  void append(std::span<const std::byte> bytes);
  void append(std::string_view text) { append(std::as_bytes(std::span(text))); }

  /// Flushes to the disk without publishing.
  void sync();
  void commit();

 private:
  std::filesystem::path target_, partial_;
  Existing existing_;
  Descriptor fd_;
  std::uint64_t end_ = 0;
};

/// Writes a small file atomically.
void write_file(const std::filesystem::path& path, std::string_view text, Existing existing = Existing::replace);

/// Reads a small file; throws io_error.
std::string read_file(const std::filesystem::path& path);

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/detail/atomic_file_inl.hpp>
#endif
