// SPDX-License-Identifier: MIT
// Small archives and images made in memory for the tests of this room.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <webp/encode.h>

#include <tests/support/scratch.hpp>

namespace test {

using modelgrow::testing::Scratch;

using Bytes = std::vector<std::uint8_t>;

inline Bytes bytes(const std::string& text) { return {text.begin(), text.end()}; }

inline Bytes read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void write(const std::filesystem::path& path, const Bytes& content) {
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(content.data()), content.size());
}

/// Lossless still WebP of a width x height RGBA image.
inline Bytes webp(const Bytes& rgba, int width, int height) {
  std::uint8_t* out = nullptr;
  const std::size_t size = WebPEncodeLosslessRGBA(rgba.data(), width, height, 4 * width, &out);
  Bytes encoded(out, out + size);
  WebPFree(out);
  return encoded;
}

/// Writes a tar of these members, gzipped if the name ends in .gz.
inline void write_tar(const std::filesystem::path& path, const std::vector<std::pair<std::string, Bytes>>& members) {
  archive* tar = archive_write_new();
  archive_write_set_format_ustar(tar);
  if (path.extension() == ".gz") archive_write_add_filter_gzip(tar);
  archive_write_set_bytes_in_last_block(tar, 1);
  archive_write_open_filename(tar, path.c_str());
  for (const auto& [name, content] : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, content.size());
    archive_entry_set_filetype(entry, name.back() == '/' ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_write_header(tar, entry);
    archive_write_data(tar, content.data(), content.size());
    archive_entry_free(entry);
  }
  archive_write_close(tar);
  archive_write_free(tar);
}

/// An entry of a tar as its bytes, for what libarchive does not write; type '0' is a file, '1' a hard link to `link`,
/// '2' a symbolic one, 'L' a long name (GNU), 'x' and 'g' attributes of the next entry and of all (PAX).
inline Bytes tar_entry(const std::string& name, const Bytes& content, char type = '0', const std::string& link = "") {
  std::array<char, 512> header{};
  const auto put = [&](std::size_t at, std::string_view text) { std::copy(text.begin(), text.end(), &header[at]); };
  char size[12];
  std::snprintf(size, sizeof size, "%011zo", content.size());
  put(0, name);
  put(100, "0000644");
  put(124, size);
  put(136, "00000000000");
  put(148, "        ");  // the sum counts itself as blanks
  header[156] = type;
  put(157, link);
  put(257, std::string_view("ustar\00000", 8));
  unsigned sum = 0;
  for (char c : header) sum += static_cast<unsigned char>(c);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  put(148, std::string_view(text, 7));
  Bytes entry(header.begin(), header.end());
  entry.insert(entry.end(), content.begin(), content.end());
  entry.resize((entry.size() + 511) / 512 * 512);
  return entry;
}

/// Writes a tar of entries, with the two empty blocks that end it.
inline void write_entries(const std::filesystem::path& path, const std::vector<Bytes>& entries) {
  Bytes all;
  for (const auto& e : entries) all.insert(all.end(), e.begin(), e.end());
  all.resize(all.size() + 1024);
  write(path, all);
}

}  // namespace test
