// SPDX-License-Identifier: MIT
// Frames as PNG files, through stb_image_write. Its functions are static, so any number of translation units link.
#pragma once
#include <filesystem>
#include <string>

#include <modelgrow/core/error.hpp>
#include <modelgrow/data/clip.hpp>
#include <modelgrow/detail/atomic_file.hpp>

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#undef STB_IMAGE_WRITE_STATIC

namespace modelgrow::inline v0 {

/// Bytes of a PNG file of one frame. Throws shape_error for a frame that the clip lacks or other than 1 to 4 channels.
inline std::string encode_png(const Clip& clip, int frame = 0) {
  if (frame < 0 || frame >= clip.frames || clip.channels < 1 || clip.channels > 4)
    throw shape_error("PNG of frame " + std::to_string(frame) + " of a clip of " + std::to_string(clip.frames) +
                      " frames and " + std::to_string(clip.channels) +
                      " channels: need an existing frame, 1 to 4 channels");
  std::string bytes;
  const auto append = [](void* target, void* data, int size) {
    static_cast<std::string*>(target)->append(static_cast<const char*>(data), size);
  };
  if (!stbi_write_png_to_func(append, &bytes, clip.width, clip.height, clip.channels, clip.frame(frame).data(),
                              clip.width * clip.channels))
    throw io_error("PNG of " + std::to_string(clip.width) + "x" + std::to_string(clip.height) + ": out of memory");
  return bytes;
}

/// Writes one frame, complete or not at all. Throws io_error.
inline void write_png(const std::filesystem::path& path, const Clip& clip, int frame = 0) {
  detail::write_file(path, encode_png(clip, frame));
}

}  // namespace modelgrow::inline v0
