// SPDX-License-Identifier: MIT
// Reading pictures back.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <modelgrow/data/clip.hpp>

#include <tests/support/scratch.hpp>

namespace test {

using modelgrow::testing::Scratch;

std::string read(const std::filesystem::path& path);
/// Decodes through stb_image, another library than the writers use.
modelgrow::Clip decode_png(const std::string& bytes);
modelgrow::Clip decode_gif(const std::string& bytes, std::vector<int>& milliseconds);

}  // namespace test
