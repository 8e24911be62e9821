// SPDX-License-Identifier: MIT
// GrowChannels: the model takes more channels in (a first frame, a mask, a control beside the latents) or gives more
// out. Exact: new inputs are read by weights of zero, new outputs are zero, and both learn from the first step.
#pragma once
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// New channels come behind the old ones: Wan's 16 latents, then the 20 of an image, are in_channels to=36. In patches
/// that are laid out flat, at every place or last, as the class lays them out; where an output stands twice (mean |
/// variance), in both halves; and where a class puts a mask behind its inputs, before that.
struct GrowChannels {
  static constexpr std::string_view name = "GrowChannels";
  static constexpr std::string_view summary = "more channels of the input, read by zeros, or of the output";
  std::string space = "in_channels";
  std::int64_t to = 0;

  static void describe(auto& self, auto& v) {
    v("space", self.space, "in_channels, out_channels, or what else the family calls channels");
    v("to", self.to, "new number of channels");
  }

  /// Throws plan_error for a space that holds no channels of the data, and for a size that adds none.
  void apply(Plan& plan) const;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/operators/grow_channels_inl.hpp>
#endif
