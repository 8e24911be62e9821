// SPDX-License-Identifier: MIT
// The records of a zip archive whose contents are stored as they are, as torch.save writes it, also beyond 4 GB:
// found by the central directory (PKWARE's APPNOTE.TXT, sections 4.3.7 to 4.3.16). Nothing is unpacked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace modelgrow::inline v0::detail {

/// A file in an archive.
struct ZipRecord {
  std::string name;
  std::uint64_t begin = 0, size = 0;  ///< its bytes, from the beginning of the archive
  std::uint32_t crc = 0;              ///< not compared: torch can be told to write none
};

/// What is in an archive, in the order of its directory.
class ZipDirectory {
 public:
  /// `archive` is all of it. Throws format_error that begins with `source`: cut or altered bytes, packed or encrypted
  /// records, records that overlap or have one name.
  ZipDirectory(std::span<const std::byte> archive, const std::string& source);
  ZipDirectory(ZipDirectory&&) = default;

  const std::vector<ZipRecord>& records() const { return records_; }
  const ZipRecord* find(std::string_view name) const;

 private:
  std::vector<ZipRecord> records_;
  std::unordered_map<std::string_view, std::size_t> places_;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/zip_directory_inl.hpp>
#endif
