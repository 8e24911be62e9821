// SPDX-License-Identifier: MIT
// What the growth of the main job is given.
#pragma once
#include <filesystem>

#include "clip_data.hpp"

namespace example {

struct GrowthOptions {
  std::filesystem::path base = "examples/data/base-shapes", out = "out/demo";  // the grown pipeline is out/grown
  ClipSource clips{.shapes = 3};
  std::int64_t ffn = 0;  // width of the grown MLPs; 0: half as wide again, of moving shapes as they are
  std::uint64_t seed = 1;
  bool brief = false;  // leave out the plan tensor by tensor: somebody has just read it

  std::filesystem::path grown() const { return out / "grown"; }
};

}  // namespace example
