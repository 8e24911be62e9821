// SPDX-License-Identifier: MIT
// The definitions of zip_writer.hpp.
#pragma once
#include <algorithm>
#include <cstring>

#include <modelgrow/checkpoint/zip_writer.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/crc32.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Little-endian fields, one behind the other.
class ZipFields {
 public:
  ZipFields& u16(std::uint64_t n) { return put(n, 2); }
  ZipFields& u32(std::uint64_t n) { return put(n, 4); }
  ZipFields& u64(std::uint64_t n) { return put(n, 8); }
  ZipFields& text(std::string_view more) {
    bytes.append(more);
    return *this;
  }
  std::string bytes;

 private:
  ZipFields& put(std::uint64_t n, std::size_t size) {
    char raw[8];
    std::memcpy(raw, &n, sizeof n);
    bytes.append(raw, size);
    return *this;
  }
};

inline constexpr std::uint64_t zip_long = 0xFFFFFFFF;
/// A field of 32 bits, or the mark that an extra field has it.
inline std::uint64_t zip_short(std::uint64_t n) { return std::min(n, zip_long); }
/// UTF-8 names; size and checksum behind a record, unless it is empty.
inline std::uint64_t zip_flags(const ZipRecord& r) { return r.size > 0 ? 0x0808 : 0x0800; }

MODELGROW_INLINE std::string zip_local_header(const ZipRecord& r, std::uint64_t header) {
  ZipFields extra;
  if (r.size >= zip_long) extra.u16(1).u16(16).u64(r.size).u64(r.size);
  const std::uint64_t begin = header + 30 + r.name.size() + extra.bytes.size() + 4;
  const std::uint64_t padding = (zip_alignment - begin % zip_alignment) % zip_alignment;
  extra.text("FB").u16(padding).text(std::string(padding, 'Z'));
  const std::uint64_t size = r.size >= zip_long ? zip_long : 0;
  return ZipFields()
      .u32(0x04034b50)
      .u16(0)
      .u16(zip_flags(r))
      .u16(0)  // stored
      .u32(0)  // no time
      .u32(0)
      .u32(size)
      .u32(size)
      .u16(r.name.size())
      .u16(extra.bytes.size())
      .text(r.name)
      .text(extra.bytes)
      .bytes;
}

MODELGROW_INLINE std::string zip_descriptor(const ZipRecord& r) {
  ZipFields fields;
  if (r.size == 0) return {};
  fields.u32(0x08074b50).u32(r.crc);
  if (r.size >= zip_long)
    fields.u64(r.size).u64(r.size);
  else
    fields.u32(r.size).u32(r.size);
  return fields.bytes;
}

MODELGROW_INLINE std::string zip_directory(const std::vector<ZipRecord>& records,
                                           const std::vector<std::uint64_t>& headers, std::uint64_t offset) {
  ZipFields all;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const ZipRecord& r = records[i];
    ZipFields values, extra;
    if (r.size >= zip_long) values.u64(r.size).u64(r.size);
    if (headers[i] >= zip_long) values.u64(headers[i]);
    if (!values.bytes.empty()) extra.u16(1).u16(values.bytes.size()).text(values.bytes);
    all.u32(0x02014b50).u16(0).u16(0).u16(zip_flags(r)).u16(0).u32(0).u32(r.crc).u32(zip_short(r.size));
    all.u32(zip_short(r.size)).u16(r.name.size()).u16(extra.bytes.size()).u16(0).u16(0).u16(0).u32(0);
    all.u32(zip_short(headers[i])).text(r.name).text(extra.bytes);
  }
  const std::uint64_t size = all.bytes.size(), count = records.size(), end = offset + size;
  all.u32(0x06064b50).u64(44).u16(0x031e).u16(0x2d).u32(0).u32(0).u64(count).u64(count).u64(size).u64(offset);
  all.u32(0x07064b50).u32(0).u64(end).u32(1);
  const std::uint64_t short_count = std::min<std::uint64_t>(count, 0xFFFF);
  all.u32(0x06054b50)
      .u16(0)
      .u16(0)
      .u16(short_count)
      .u16(short_count)
      .u32(zip_short(size))
      .u32(zip_short(offset))
      .u16(0);
  return all.bytes;
}

MODELGROW_INLINE void ZipWriter::begin(const std::string& name, std::uint64_t size) {
  end_record();
  if (name.size() > 0xFFFF) throw format_error(path().string() + ": a record has a name of more than 65535 bytes");
  records_.push_back(ZipRecord{.name = name, .size = size});
  headers_.push_back(at_);
  append_text(zip_local_header(records_.back(), at_));
  records_.back().begin = at_;
  left_ = size;
  open_ = true;
}

MODELGROW_INLINE void ZipWriter::append(std::span<const std::byte> bytes) {
  if (!open_ || bytes.size() > left_)
    throw format_error(path().string() + ": record '" + (records_.empty() ? "" : records_.back().name) +
                       "' was given more bytes than it was declared with");
  records_.back().crc = crc32(records_.back().crc, bytes);
  file_.append(bytes);
  at_ += bytes.size();
  left_ -= bytes.size();
}

MODELGROW_INLINE void ZipWriter::record(const std::string& name, std::string_view text) {
  begin(name, text.size());
  append(std::as_bytes(std::span(text)));
}

MODELGROW_INLINE void ZipWriter::append_text(std::string_view text) {
  file_.append(text);
  at_ += text.size();
}

MODELGROW_INLINE void ZipWriter::end_record() {
  if (!open_) return;
  if (left_ > 0)
    throw format_error(path().string() + ": record '" + records_.back().name + "' lacks " + std::to_string(left_) +
                       " of the " + std::to_string(records_.back().size) + " bytes that it was declared with");
  append_text(zip_descriptor(records_.back()));
  open_ = false;
}

MODELGROW_INLINE void ZipWriter::finish() {
  end_record();
  append_text(zip_directory(records_, headers_, at_));
  file_.sync();
}

MODELGROW_INLINE void ZipWriter::commit() { file_.commit(); }

}  // namespace detail

}  // namespace modelgrow::inline v0
