// SPDX-License-Identifier: MIT
// Writing zip archives of stored records in the layout of torch.save: every record begins at a multiple of 64 bytes,
// its size and checksum follow it, and the directory has the fields for archives beyond 4 GB.
#pragma once
#include <modelgrow/checkpoint/zip_directory.hpp>
#include <modelgrow/detail/atomic_file.hpp>

namespace modelgrow::inline v0::detail {

inline constexpr std::uint64_t zip_alignment = 64;

/// What stands before the bytes of a record when its header begins at `header`: as long as brings them to
/// zip_alignment.
std::string zip_local_header(const ZipRecord& record, std::uint64_t header);
/// What stands behind them.
std::string zip_descriptor(const ZipRecord& record);
/// The end of an archive: a line for each record, at their headers, and where these lines begin, `offset`.
std::string zip_directory(const std::vector<ZipRecord>& records, const std::vector<std::uint64_t>& headers,
                          std::uint64_t offset);

/// Records one behind the other; all or nothing.
class ZipWriter {
 public:
  /// Throws io_error.
  explicit ZipWriter(const std::filesystem::path& path, Existing existing = Existing::replace)
      : file_(path, existing) {}

  const std::filesystem::path& path() const { return file_.target(); }
  /// Begins a record of so many bytes. Throws format_error while the one before lacks some.
  void begin(const std::string& name, std::uint64_t size);
  /// Throws format_error for more bytes than were announced.
  void append(std::span<const std::byte> bytes);
  void record(const std::string& name, std::string_view text);
  /// Writes the directory and flushes; the file is not visible before commit().
  void finish();
  void commit();

 private:
  void append_text(std::string_view text);
  void end_record();
  AtomicFile file_;
  std::uint64_t at_ = 0, left_ = 0;
  bool open_ = false;
  std::vector<ZipRecord> records_;
  std::vector<std::uint64_t> headers_;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/zip_writer_inl.hpp>
#endif
