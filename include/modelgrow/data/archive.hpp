// SPDX-License-Identifier: MIT
// Reading archives member by member through libarchive: tar (plain or compressed) and single compressed files.
#pragma once
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <modelgrow/core/error.hpp>
#include <modelgrow/data/file_kind.hpp>

namespace modelgrow::inline v0 {

/// One file of an archive, or a link to one.
struct ArchiveMember {
  std::string name;
  std::vector<std::uint8_t> bytes;
  std::string link = {};  // what it is a link to; then it has no bytes of its own
};

/// What an archive file holds: many files (tar), or one file, perhaps compressed (raw).
enum class ArchiveKind { tar, raw };

/// Reads an archive from front to back, and those that were appended to it. Throws io_error when the file is missing or
/// unreadable, format_error when it is damaged or cut short.
class ArchiveReader {
 public:
  explicit ArchiveReader(std::filesystem::path path, ArchiveKind kind = ArchiveKind::tar)
      : path_(std::move(path)), kind_(kind), archive_(archive_read_new()) {
    if (!archive_) throw io_error(path_.string() + ": libarchive could not allocate a reader");
    if (!std::filesystem::is_regular_file(path_))
      throw io_error(path_.string() + (std::filesystem::is_directory(path_)
                                           ? ": a directory; give an archive: pack it with tar --sort=name"
                                           : ": no such file; check the path of the data set"));
    archive_read_support_filter_all(archive_.get());
    kind_ == ArchiveKind::tar ? archive_read_support_format_tar(archive_.get())
                              : archive_read_support_format_raw(archive_.get());
    if (kind_ == ArchiveKind::tar)  // as `cat a.tar b.tar` makes
      archive_read_set_format_option(archive_.get(), "tar", "read_concatenated_archives", "1");
    if (archive_read_open_filename(archive_.get(), path_.c_str(), 1 << 16) < ARCHIVE_WARN) fail_at_begin();
  }

  const std::filesystem::path& path() const { return path_; }

  /// Reads the next regular file or link into `member`; false at the end of the archive.
  bool next(ArchiveMember& member) {
    archive_entry* entry = nullptr;
    for (;;) {
      const int status = archive_read_next_header(archive_.get(), &entry);
      const bool failed = status < ARCHIVE_WARN || status == ARCHIVE_RETRY;  // the latter: bytes that are no header
      if (status == ARCHIVE_EOF || (failed && only_zeros_follow())) {
        check_end();
        return false;
      }
      if (failed) last_.empty() ? fail_at_begin() : fail("is damaged after member '" + last_ + "'");
      const char* name = archive_entry_pathname(entry);
      if (!name) name = archive_entry_pathname_utf8(entry);  // one that the locale cannot show
      if (!name) fail("has a member without a readable name after '" + last_ + "'");
      last_ = name;
      member.link = link_of(entry);
      if (archive_entry_filetype(entry) == AE_IFREG || !member.link.empty()) break;
    }
    member.name = last_;
    member.bytes.clear();
    if (!member.link.empty()) return true;
    for (std::uint8_t block[1 << 14];;) {
      const auto got = archive_read_data(archive_.get(), block, sizeof block);
      if (got < 0) fail("member '" + last_ + "' cannot be read");
      if (got == 0) break;
      member.bytes.insert(member.bytes.end(), block, block + got);
    }
    return true;
  }

 private:
  struct Free {
    void operator()(archive* a) const { archive_read_free(a); }
  };
  static std::string link_of(archive_entry* entry) {
    const char* hard = archive_entry_hardlink(entry);
    if (hard && archive_entry_size(entry) == 0) return hard;  // pax may repeat the content
    const char* symbolic = archive_entry_symlink(entry);
    return symbolic ? symbolic : "";
  }
  [[noreturn]] void fail_at_begin() const {
    std::uint8_t bytes[512] = {};
    std::ifstream file(path_, std::ios::binary);
    file.read(reinterpret_cast<char*>(bytes), sizeof bytes);
    const auto kind = detail::file_kind({bytes, std::size_t(file.gcount())});
    if (kind.empty() || kind.starts_with("gzip") || kind == "a tar archive") fail("is not an archive");
    throw format_error(path_.string() + ": is " + kind +
                       "; expected a tar archive (plain or compressed): fetch it again, " +
                       "or pack what is in it with tar --sort=name");
  }
  [[noreturn]] void fail(const std::string& what) const {
    const char* reason = archive_error_string(archive_.get());
    throw format_error(path_.string() + ": " + what + " (" + (reason ? reason : "no reason given") +
                       "); the file is damaged or cut short: fetch it again");
  }
  /// What libarchive does not notice: a plain tar that was cut between two members, which has no end marker, and bytes
  /// after a gzip or bzip2 stream that are none.
  void check_end() const {
    const int filter = archive_filter_code(archive_.get(), 0);
    if (filter == ARCHIVE_FILTER_GZIP || filter == ARCHIVE_FILTER_BZIP2) {
      const auto read = archive_filter_bytes(archive_.get(), -1);
      if (const auto at = first_not_zero(read))
        throw format_error(path_.string() + ": byte " + std::to_string(*at) +
                           " and those after it are no part of the " + archive_filter_name(archive_.get(), 0) +
                           " stream that ends at " + std::to_string(read) +
                           " and would be lost; was something appended that is not compressed? pack the archive anew");
    } else if (kind_ == ArchiveKind::tar && filter == ARCHIVE_FILTER_NONE) {
      const auto size = std::int64_t(std::filesystem::file_size(path_));
      if (size < 512 || first_not_zero(size - 512))
        throw format_error(path_.string() + ": no end-of-archive marker after member '" + last_ +
                           "'; the file was cut short: fetch it again");
    }
  }
  /// Whether a plain tar goes on with its end marker alone, padded to a size that is no multiple of a block.
  bool only_zeros_follow() const {
    return kind_ == ArchiveKind::tar && archive_filter_code(archive_.get(), 0) == ARCHIVE_FILTER_NONE &&
           !last_.empty() && !first_not_zero(archive_filter_bytes(archive_.get(), -1));
  }
  /// Position of the first byte from `begin` on that is not zero.
  std::optional<std::int64_t> first_not_zero(std::int64_t begin) const {
    std::ifstream file(path_, std::ios::binary);
    file.seekg(begin);
    for (std::istreambuf_iterator<char> byte(file), end; byte != end; ++byte, ++begin)
      if (*byte != 0) return begin;
    return std::nullopt;
  }

  std::filesystem::path path_;
  ArchiveKind kind_;
  std::unique_ptr<archive, Free> archive_;
  std::string last_;
};

}  // namespace modelgrow::inline v0
