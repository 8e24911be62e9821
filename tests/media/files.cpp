// SPDX-License-Identifier: MIT
// The one translation unit with the picture reader.
#include <tests/media/files.hpp>

#include <fstream>
#include <iterator>
#include <stdexcept>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#include <stb/stb_image.h>

namespace test {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

modelgrow::Clip decode_png(const std::string& bytes) {
  int width = 0, height = 0, channels = 0;
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  stbi_uc* pixels = stbi_load_from_memory(data, int(bytes.size()), &width, &height, &channels, 0);
  if (!pixels) throw std::runtime_error("not a picture");
  modelgrow::Clip clip = modelgrow::make_clip(1, height, width, channels);
  clip.pixels.assign(pixels, pixels + clip.size());
  stbi_image_free(pixels);
  return clip;
}

modelgrow::Clip decode_gif(const std::string& bytes, std::vector<int>& milliseconds) {
  int width = 0, height = 0, frames = 0, channels = 0, *delays = nullptr;
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  stbi_uc* pixels = stbi_load_gif_from_memory(data, int(bytes.size()), &delays, &width, &height, &frames, &channels, 4);
  if (!pixels) throw std::runtime_error("not a GIF");
  modelgrow::Clip clip = modelgrow::make_clip(frames, height, width, 3);
  for (std::size_t i = 0; i < clip.size(); ++i) clip.pixels[i] = pixels[i / 3 * 4 + i % 3];
  milliseconds.assign(delays, delays + frames);
  stbi_image_free(pixels);
  stbi_image_free(delays);
  return clip;
}

}  // namespace test
