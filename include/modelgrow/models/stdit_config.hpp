// SPDX-License-Identifier: MIT
// The sizes of an STDiT, named as the constructor arguments of Open-Sora 1.0, and what growth can switch on.
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include <modelgrow/core/error.hpp>
#include <modelgrow/nn/temporal_conv.hpp>
#include <modelgrow/ops/patches.hpp>

namespace modelgrow::inline v0 {

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

  TemporalConvOptions temporal_conv = {};  // x += conv(LN(x)) over frames, after the temporal attention
  /// How the tokens of a second text encoder enter a block: by a cross-attention behind the first (ModelGrow), by the
  /// same with a tanh gate for each head, by keys and values of their own inside the first, or in the softmax of the
  /// first beside its tokens, with a logit bias that a schedule raises.
  enum class TextEntry { cross_attention, gated, decoupled, concatenated };
  struct SecondText {
    std::int64_t caption_channels = 0, model_max_length = 0;
    TextEntry entry = TextEntry::cross_attention;
    std::int64_t refiner = 0;  // blocks of a token refiner behind y_embedder_2
    bool operator==(const SecondText&) const = default;
  } second_text = {};
  std::int64_t text_refiner = 0;     // blocks of a token refiner behind y_embedder
  std::int64_t pooled_channels = 0;  // width of the second encoder's states, whose mean joins the time embedding
  std::string prompt = {};           // JSON: how the first encoder is fed (text/prompt_manifest.hpp), where known
  std::string second_prompt = {};    // the same for the second; both travel with the weights

  bool operator==(const StditConfig&) const = default;

  std::int64_t ffn() const { return std::int64_t(double(hidden_size) * mlp_ratio); }
  Patch patch() const { return {.t = patch_size[0], .h = patch_size[1], .w = patch_size[2]}; }
  std::int64_t head_dim() const { return hidden_size / num_heads; }
  std::int64_t out_channels() const { return pred_sigma ? 2 * in_channels : in_channels; }
  std::array<std::int64_t, 3> grid() const {
    return {input_size[0] / patch_size[0], input_size[1] / patch_size[1], input_size[2] / patch_size[2]};
  }
  std::int64_t num_temporal() const { return grid()[0]; }
  std::int64_t num_spatial() const { return grid()[1] * grid()[2]; }
  bool has_second_text() const { return second_text.caption_channels > 0; }
  bool has_pooled_text() const { return pooled_channels > 0; }
  /// Whether forward() needs the states of a second text encoder.
  bool takes_second_text() const { return has_second_text() || has_pooled_text(); }
  bool has_temporal_conv() const { return temporal_conv.kind != TemporalConvOptions::Kind::none; }

  /// Throws shape_error for sizes that no STDiT can have.
  void validate() const {
    const auto fail = [](const std::string& what) { throw shape_error("[STDiT config] " + what); };
    if (hidden_size <= 0 || depth <= 0 || num_heads <= 0 || in_channels <= 0 || caption_channels <= 0 || ffn() <= 0)
      fail("sizes must be positive");
    if (hidden_size % num_heads != 0)
      fail("hidden_size " + std::to_string(hidden_size) + " is not divisible by num_heads " +
           std::to_string(num_heads));
    if (hidden_size % 4 != 0) fail("hidden_size " + std::to_string(hidden_size) + " is not divisible by 4");
    if (has_second_text() && has_pooled_text() && second_text.caption_channels != pooled_channels)
      fail("the second text has " + std::to_string(second_text.caption_channels) + " channels, its mean " +
           std::to_string(pooled_channels) + ": both come from one encoder");
    if (second_text.refiner > 0 && !has_second_text())
      fail("a refiner behind y_embedder_2 needs a second text encoder: add cross_attn_2 first");
    for (std::size_t i = 0; i < 3; ++i)
      if (patch_size[i] <= 0 || input_size[i] % patch_size[i] != 0)
        fail("input_size is not divisible by patch_size in dimension " + std::to_string(i));
  }
};

}  // namespace modelgrow::inline v0
