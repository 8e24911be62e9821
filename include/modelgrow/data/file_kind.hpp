// SPDX-License-Identifier: MIT
// What a file is by how it begins, so that an error can name what it found.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace modelgrow::inline v0::detail {

/// "a JPEG image"; "empty" for no bytes, and nothing for a beginning that is not known.
inline std::string file_kind(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return "empty";
  struct Kind {
    std::size_t at;
    std::string_view magic, name;
  };
  using namespace std::string_view_literals;
  static constexpr std::array kinds{
      Kind{0, "\xFF\xD8\xFF"sv, "a JPEG image"},
      Kind{0, "\x89PNG"sv, "a PNG image"},
      Kind{0, "GIF8"sv, "a GIF image"},
      Kind{8, "WEBP"sv, "a WebP image"},
      Kind{8, "AVI "sv, "an AVI video"},
      Kind{4, "ftypavif"sv, "an AVIF image"},
      Kind{4, "ftyphei"sv, "a HEIC image"},
      Kind{4, "ftyp"sv, "an MP4 video"},
      Kind{0, "\x1A\x45\xDF\xA3"sv, "a WebM video"},
      Kind{0, "II*\0"sv, "a TIFF image"},
      Kind{0, "MM\0*"sv, "a TIFF image"},
      Kind{0, "\0\x05\x16\x07"sv, "a resource fork of macOS"},
      Kind{0, "PK\x03\x04"sv, "a zip archive"},
      Kind{0, "7z\xBC\xAF\x27\x1C"sv, "a 7z archive"},
      Kind{0, "Rar!"sv, "a RAR archive"},
      Kind{0, "\x1F\x8B"sv, "gzip-compressed"},
      Kind{257, "ustar"sv, "a tar archive"},
      Kind{0, "PAR1"sv, "a Parquet table"},
      Kind{0, "\x89HDF"sv, "an HDF5 file"},
      Kind{0, "%PDF"sv, "a PDF document"},
      Kind{0, "<!DOCTYPE"sv, "a web page"},
      Kind{0, "<!doctype"sv, "a web page"},
      Kind{0, "<html"sv, "a web page"},
      Kind{0, "version https://git-lfs"sv, "a pointer of Git LFS, not the file itself"},
      Kind{0, "{"sv, "JSON"},
  };
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const auto& k : kinds)
    if (text.size() >= k.at && text.substr(k.at).starts_with(k.magic)) return std::string(k.name);
  return {};
}

}  // namespace modelgrow::inline v0::detail
