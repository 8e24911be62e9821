// SPDX-License-Identifier: MIT
// The sizes of an STDiT, named as the constructor arguments of Open-Sora 1.0, and the layers that growth added.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/core/graft.hpp>
#include <modelgrow/ops/patches.hpp>

namespace modelgrow::inline v0 {

/// What the output of a model is: the velocity from clip to noise, or the clip without noise.
enum class Prediction { velocity, clip };

/// Constructor arguments of STDiT (hpcaitech/Open-Sora@v1.0.0: opensora/models/stdit/stdit.py); defaults are
/// STDiT-XL/2.
struct StditConfig {
  std::array<std::int64_t, 3> input_size{16, 32, 32};  // frames, height, width of the (latent) clip
  std::int64_t in_channels = 4;
  std::array<std::int64_t, 3> patch_size{1, 2, 2};
  std::int64_t hidden_size = 1152;
  std::int64_t depth = 28;
  std::int64_t num_heads = 16;
  double mlp_ratio = 4.0;
  bool pred_sigma = true;  // twice the output channels; the second half is unused by rectified flow
  std::int64_t caption_channels = 4096;
  std::int64_t model_max_length = 120;
  double space_scale = 1.0, time_scale = 1.0;

  std::vector<GraftRecord> grafts = {};  // layers that growth added
  Prediction prediction = Prediction::velocity;

  bool operator==(const StditConfig&) const = default;

  /// The keys of config.json.
  static void describe(auto& self, auto& v) {
    v("input_size", self.input_size, "frames, height, width of the latent clip");
    v("in_channels", self.in_channels, "channels of the latent clip");
    v("patch_size", self.patch_size, "frames, height, width of a patch");
    v("hidden_size", self.hidden_size, "width of the residual stream");
    v("depth", self.depth, "blocks");
    v("num_heads", self.num_heads, "heads of each attention");
    v("mlp_ratio", self.mlp_ratio, "width of the MLPs over hidden_size");
    v("pred_sigma", self.pred_sigma, "twice the output channels");
    v("caption_channels", self.caption_channels, "width of the states of the text encoder");
    v("model_max_length", self.model_max_length, "tokens of a caption at most");
    v("space_scale", self.space_scale, "divides positions in a frame");
    v("time_scale", self.time_scale, "divides positions in time");
  }

  std::int64_t ffn() const { return std::int64_t(double(hidden_size) * mlp_ratio); }
  Patch patch() const { return {.t = patch_size[0], .h = patch_size[1], .w = patch_size[2]}; }
  std::int64_t head_dim() const { return hidden_size / num_heads; }
  std::int64_t out_channels() const { return pred_sigma ? 2 * in_channels : in_channels; }
  std::array<std::int64_t, 3> grid() const {
    return {input_size[0] / patch_size[0], input_size[1] / patch_size[1], input_size[2] / patch_size[2]};
  }
  std::int64_t num_temporal() const { return grid()[0]; }
  std::int64_t num_spatial() const { return grid()[1] * grid()[2]; }
  /// Throws shape_error for sizes that no STDiT can have.
  void validate() const {
    const auto fail = [](const std::string& what) { throw shape_error("[STDiT config] " + what); };
    constexpr std::int64_t most = std::int64_t{1} << 31;
    for (const auto size : {hidden_size, depth, num_heads, in_channels, caption_channels, model_max_length,
                            input_size[0], input_size[1], input_size[2], patch_size[0], patch_size[1], patch_size[2]})
      if (size > most) fail("a size of " + std::to_string(size) + ", which no model comes near");
    if (!(std::abs(double(hidden_size) * mlp_ratio) <= double(most)))
      fail("mlp_ratio " + std::to_string(mlp_ratio) + " makes MLPs that no model comes near");
    if (hidden_size <= 0 || depth <= 0 || num_heads <= 0 || in_channels <= 0 || caption_channels <= 0 || ffn() <= 0)
      fail("sizes must be positive");
    if (hidden_size % num_heads != 0)
      fail("hidden_size " + std::to_string(hidden_size) + " is not divisible by num_heads " +
           std::to_string(num_heads));
    if (hidden_size % 4 != 0) fail("hidden_size " + std::to_string(hidden_size) + " is not divisible by 4");
    for (std::size_t i = 0; i < 3; ++i)
      if (patch_size[i] <= 0 || input_size[i] % patch_size[i] != 0)
        fail("input_size is not divisible by patch_size in dimension " + std::to_string(i));
  }
};

}  // namespace modelgrow::inline v0
