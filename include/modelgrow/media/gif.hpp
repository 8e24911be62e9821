// SPDX-License-Identifier: MIT
// Clips as endlessly looping GIF files, through cgif.
#pragma once
#include <cgif.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>

#include <modelgrow/core/error.hpp>
#include <modelgrow/data/clip.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/media/palette.hpp>

namespace modelgrow::inline v0 {

struct GifOptions {
  double frames_per_second = 8;
  int scale = 1;  ///< every pixel this many times as large
};

/// Bytes of a GIF file. Throws shape_error for a scale or frame rate that is not positive or a size above 65535.
inline std::string encode_gif(const Clip& clip, const GifOptions& options = {}) {
  const int height = clip.height * options.scale, width = clip.width * options.scale;
  if (options.scale < 1 || !(options.frames_per_second > 0) || height > 65535 || width > 65535)
    throw shape_error("GIF of " + std::to_string(clip.width) + "x" + std::to_string(clip.height) + " at scale " +
                      std::to_string(options.scale) + " and " + std::to_string(options.frames_per_second) +
                      " frames/s: both must be positive and the sizes at most 65535");
  Palette palette = make_palette(to_rgb(clip));
  std::string bytes;
  CGIF_Config config{};
  config.pGlobalPalette = &palette.colors[0].red;
  config.numGlobalPaletteEntries = std::uint16_t(palette.colors.size());
  config.width = std::uint16_t(width);
  config.height = std::uint16_t(height);
  config.attrFlags = CGIF_ATTR_IS_ANIMATED;
  config.numLoops = CGIF_INFINITE_LOOP;
  config.pContext = &bytes;
  config.pWriteFn = [](void* target, const std::uint8_t* data, const std::size_t size) {
    static_cast<std::string*>(target)->append(reinterpret_cast<const char*>(data), size);
    return 0;
  };
  CGIF* gif = cgif_newgif(&config);
  int status = gif ? CGIF_OK : CGIF_EALLOC;
  std::vector<std::uint8_t> large(std::size_t(height) * width);
  for (int t = 0; t < clip.frames && status == CGIF_OK; ++t) {
    const std::uint8_t* frame = &palette.indices[std::size_t(t) * clip.height * clip.width];
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        large[std::size_t(y) * width + x] = frame[(y / options.scale) * clip.width + x / options.scale];
    CGIF_FrameConfig config_frame{};
    config_frame.pImageData = large.data();
    config_frame.genFlags = CGIF_FRAME_GEN_USE_DIFF_WINDOW;
    config_frame.delay = std::uint16_t(std::clamp(100 / options.frames_per_second + 0.5, 2.0, 65535.0));
    status = cgif_addframe(gif, &config_frame);
  }
  if (gif) status = std::max(status, cgif_close(gif));
  if (status != CGIF_OK)
    throw io_error("GIF of " + std::to_string(clip.frames) + " frames: cgif error " + std::to_string(status));
  return bytes;
}

/// Writes the clip as a GIF, complete or not at all. Throws shape_error as encode_gif does, and io_error.
inline void write_gif(const std::filesystem::path& path, const Clip& clip, const GifOptions& options = {}) {
  detail::write_file(path, encode_gif(clip, options));
}

}  // namespace modelgrow::inline v0
