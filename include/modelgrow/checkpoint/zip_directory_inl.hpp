// SPDX-License-Identifier: MIT
// The definitions of zip_directory.hpp.
#pragma once
#include <algorithm>
#include <cstring>

#include <modelgrow/checkpoint/zip_directory.hpp>
#include <modelgrow/core/error.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/mmap.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Reads the end of the directory, its entries, and the header before each record.
class ZipReader {
 public:
  ZipReader(std::span<const std::byte> bytes, const std::string& source) : bytes_(bytes), source_(source) {}

  std::vector<ZipRecord> read() {
    const End end = find_end();
    if (end.offset > end.at || end.size != end.at - end.offset)
      cut("its directory, of " + std::to_string(end.size) + " bytes at " + std::to_string(end.offset) +
          ", does not end where it should, at " + std::to_string(end.at));
    if (end.entries > end.size / entry_bytes)
      cut("its directory cannot hold " + std::to_string(end.entries) + " entries");
    std::vector<ZipRecord> records;
    std::uint64_t at = end.offset;
    for (std::uint64_t i = 0; i < end.entries; ++i) records.push_back(entry(at, end));
    if (at != end.at) cut("its directory has more bytes than entries");
    for (const auto& r : records) ask_for(header_of(r));
    for (auto& r : records) r.begin = contents(r, end);
    check_apart(records);
    return records;
  }

 private:
  static constexpr std::uint64_t end_bytes = 22, end64_bytes = 56, locator_bytes = 20, entry_bytes = 46,
                                 local_bytes = 30;
  static constexpr std::uint32_t long_field = 0xFFFFFFFF;

  struct End {
    std::uint64_t entries, size, offset;  // of the directory
    std::uint64_t at;                     // where what follows the directory begins
  };

  [[noreturn]] void fail(const std::string& what) const { throw format_error(source_ + ": " + what); }
  [[noreturn]] void cut(const std::string& what) const {
    fail("the archive is cut or altered: " + what + "; fetch or write it again");
  }
  template <class T>
  T load(std::uint64_t at) const {
    if (at > bytes_.size() || sizeof(T) > bytes_.size() - at)
      cut("it has " + std::to_string(bytes_.size()) + " bytes, and needs some at " + std::to_string(at));
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }
  std::string text(std::uint64_t at, std::uint64_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) cut("a name ends behind it");
    return {reinterpret_cast<const char*>(bytes_.data()) + at, std::size_t(size)};
  }
  bool starts(std::uint64_t at, std::uint32_t signature) const { return load<std::uint32_t>(at) == signature; }

  End find_end() const {
    if (bytes_.size() < end_bytes) cut("it has " + std::to_string(bytes_.size()) + " bytes");
    for (std::uint64_t comment = 0; comment <= 0xFFFF && comment + end_bytes <= bytes_.size(); ++comment) {
      const std::uint64_t at = bytes_.size() - end_bytes - comment;
      if (!starts(at, 0x06054b50) || load<std::uint16_t>(at + 20) != comment) continue;
      if (load<std::uint16_t>(at + 4) != 0 || load<std::uint16_t>(at + 6) != 0) fail("the archive is in several parts");
      if (at >= locator_bytes && starts(at - locator_bytes, 0x07064b50)) return long_end(at - locator_bytes);
      return End{.entries = load<std::uint16_t>(at + 10),
                 .size = load<std::uint32_t>(at + 12),
                 .offset = load<std::uint32_t>(at + 16),
                 .at = at};
    }
    cut("it has no directory at its end");
  }
  End long_end(std::uint64_t locator) const {
    const auto at = load<std::uint64_t>(locator + 8);
    if (at > locator || locator - at < end64_bytes || !starts(at, 0x06064b50))
      cut("the end of its directory is not there");
    return End{.entries = load<std::uint64_t>(at + 32),
               .size = load<std::uint64_t>(at + 40),
               .offset = load<std::uint64_t>(at + 48),
               .at = at};
  }

  /// The entry at a place, which moves behind it. Its record seems to begin where its header does.
  ZipRecord entry(std::uint64_t& at, const End& end) const {
    if (at > end.at || end.at - at < entry_bytes || !starts(at, 0x02014b50))
      cut("an entry of its directory is missing");
    const auto name = load<std::uint16_t>(at + 28), extra = load<std::uint16_t>(at + 30),
               comment = load<std::uint16_t>(at + 32);
    ZipRecord r{.name = text(at + entry_bytes, name), .size = load<std::uint32_t>(at + 24)};
    r.crc = load<std::uint32_t>(at + 16);
    if (load<std::uint16_t>(at + 8) & 1) fail("record '" + r.name + "' is encrypted");
    if (const auto method = load<std::uint16_t>(at + 10))
      fail("record '" + r.name + "' is packed (method " + std::to_string(method) +
           "); torch.save stores them as they are: save it again, or zip it with -0");
    std::uint64_t packed = load<std::uint32_t>(at + 20);
    r.begin = load<std::uint32_t>(at + 42);
    long_fields(at + entry_bytes + name, extra, {&r.size, &packed, &r.begin});
    if (packed != r.size) cut("record '" + r.name + "' has two sizes");
    if (r.begin > end.offset || end.offset - r.begin < local_bytes) not_there(r);
    at += entry_bytes + name + extra + comment;
    return r;
  }
  /// Fields that do not fit into 32 bits stand in an extra field, one behind the other.
  void long_fields(std::uint64_t at, std::uint64_t size, std::initializer_list<std::uint64_t*> fields) const {
    for (const std::uint64_t end = at + size; at + 4 <= end;) {
      const auto id = load<std::uint16_t>(at), length = load<std::uint16_t>(at + 2);
      std::uint64_t value = at + 4;
      at = value + length;
      if (id != 1) continue;
      for (auto* field : fields) {
        if (*field != long_field) continue;
        if (value + 8 > std::min(at, end)) cut("a long size is missing");
        *field = load<std::uint64_t>(value);
        value += 8;
      }
    }
  }
  [[noreturn]] void not_there(const ZipRecord& r) const {
    cut("record '" + r.name + "' is not at " + std::to_string(r.begin));
  }
  /// What is read of the header before a record, and the record itself where it is as small as the step of an
  /// optimizer.
  std::span<const std::byte> header_of(const ZipRecord& r) const {
    constexpr std::uint64_t alignment = 64, small = 64;
    const auto most = local_bytes + r.name.size() + alignment + std::min(r.size, small);
    return bytes_.subspan(r.begin, std::min<std::uint64_t>(most, bytes_.size() - r.begin));
  }
  /// Where the bytes of a record begin, behind its header.
  std::uint64_t contents(const ZipRecord& r, const End& end) const {
    const std::uint64_t header = r.begin;
    if (!starts(header, 0x04034b50)) not_there(r);
    const auto name = load<std::uint16_t>(header + 26), extra = load<std::uint16_t>(header + 28);
    if (text(header + local_bytes, name) != r.name) cut("record '" + r.name + "' has two names");
    const std::uint64_t begin = header + local_bytes + name + extra;
    if (begin > end.offset || r.size > end.offset - begin) cut("record '" + r.name + "' does not fit into it");
    return begin;
  }

  void check_apart(const std::vector<ZipRecord>& records) const {
    std::vector<const ZipRecord*> sorted;
    for (const auto& r : records)
      if (r.size > 0) sorted.push_back(&r);
    std::ranges::sort(sorted, {}, [](const ZipRecord* r) { return r->begin; });
    for (std::size_t i = 1; i < sorted.size(); ++i)
      if (sorted[i]->begin - sorted[i - 1]->begin < sorted[i - 1]->size)
        cut("records '" + sorted[i - 1]->name + "' and '" + sorted[i]->name + "' overlap");
  }

  std::span<const std::byte> bytes_;
  const std::string& source_;
};

MODELGROW_INLINE ZipDirectory::ZipDirectory(std::span<const std::byte> archive, const std::string& source)
    : records_(ZipReader(archive, source).read()) {
  for (std::size_t i = 0; i < records_.size(); ++i)
    if (!places_.emplace(records_[i].name, i).second)
      throw format_error(source + ": the archive has two records '" + records_[i].name + "'; fetch or write it again");
}

MODELGROW_INLINE const ZipRecord* ZipDirectory::find(std::string_view name) const {
  const auto found = places_.find(name);
  return found == places_.end() ? nullptr : &records_[found->second];
}

}  // namespace detail

}  // namespace modelgrow::inline v0
