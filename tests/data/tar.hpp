// SPDX-License-Identifier: MIT
// Small archives and images made in memory for the tests of this room.
#pragma once
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
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

}  // namespace test
