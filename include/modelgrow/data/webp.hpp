// SPDX-License-Identifier: MIT
// Animated (or still) WebP images become clips: every frame composed, transparency over white.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <webp/demux.h>
#include <modelgrow/core/error.hpp>
#include <modelgrow/data/clip.hpp>
#include <modelgrow/data/file_kind.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// Why bytes are no WebP image, as far as their beginning tells: " (11 bytes of a JPEG image)".
inline std::string no_webp(std::span<const std::uint8_t> bytes) {
  const std::string size = std::to_string(bytes.size()), kind = file_kind(bytes);
  if (bytes.empty()) return " (0 bytes)";
  if (kind != "a WebP image") return " (" + size + " bytes" + (kind.empty() ? "" : ": this is " + kind) + ")";
  const double promised = 8.0 + bytes[4] + 0x1p8 * bytes[5] + 0x1p16 * bytes[6] + 0x1p24 * bytes[7];
  if (promised <= double(bytes.size())) return " (" + size + " bytes, damaged)";
  return " (" + size + " bytes, cut short: it begins by promising " + std::to_string(std::int64_t(promised)) + ")";
}
}  // namespace detail

/// RGB clip of all frames of a WebP image. `where` names file and member in errors. Throws format_error when the bytes
/// are damaged or would decode to more than 2 GiB.
inline Clip decode_webp(std::span<const std::uint8_t> bytes, const std::string& where) {
  struct Delete {
    void operator()(WebPAnimDecoder* d) const { WebPAnimDecoderDelete(d); }
  };
  const WebPData data{bytes.data(), bytes.size()};
  const std::unique_ptr<WebPAnimDecoder, Delete> decoder(WebPAnimDecoderNew(&data, nullptr));
  WebPAnimInfo info{};
  if (!decoder || !WebPAnimDecoderGetInfo(decoder.get(), &info) || info.frame_count == 0)
    throw format_error(where + ": not a complete WebP image" + detail::no_webp(bytes) + "; encode this clip again");
  const double decoded = 3.0 * info.canvas_width * info.canvas_height * info.frame_count;
  if (decoded > 0x1p31)
    throw format_error(where + ": " + std::to_string(info.frame_count) + " frames of " +
                       std::to_string(info.canvas_width) + "x" + std::to_string(info.canvas_height) +
                       " exceed 2 GiB; resize this clip before packing it");

  Clip clip = make_clip(int(info.frame_count), int(info.canvas_height), int(info.canvas_width), 3);
  std::uint8_t* out = clip.pixels.data();
  for (int t = 0; t < clip.frames; ++t) {
    std::uint8_t* rgba = nullptr;
    int milliseconds = 0;
    if (!WebPAnimDecoderGetNext(decoder.get(), &rgba, &milliseconds))
      throw format_error(where + ": frame " + std::to_string(t) + " of " + std::to_string(clip.frames) +
                         " is damaged; encode this clip again");
    for (std::size_t i = 0; i < std::size_t(clip.height) * clip.width; ++i, rgba += 4)
      for (int c = 0; c < 3; ++c) *out++ = std::uint8_t((rgba[c] * rgba[3] + 255 * (255 - rgba[3]) + 127) / 255);
  }
  return clip;
}

}  // namespace modelgrow::inline v0
