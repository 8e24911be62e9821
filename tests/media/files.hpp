// SPDX-License-Identifier: MIT
// Reading pictures back, and a folder that removes itself.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <modelgrow/data/clip.hpp>

namespace test {

struct ScratchFolder {
  std::filesystem::path path;
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  int entries() const;
};

std::string read(const std::filesystem::path& path);
/// Decodes through stb_image, another library than the writers use.
modelgrow::Clip decode_png(const std::string& bytes);
modelgrow::Clip decode_gif(const std::string& bytes, std::vector<int>& milliseconds);

}  // namespace test
