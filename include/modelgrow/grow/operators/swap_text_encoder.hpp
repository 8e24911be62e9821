// SPDX-License-Identifier: MIT
// SwapTextEncoder: a model reads another text encoder in place of the one it has, through a map between their states
// or, without one, through a new layer. Not exact.
#pragma once
#include <optional>
#include <string>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// It works for every family whose text enters through linear layers, behind allow_approximate.
struct SwapTextEncoder {
  static constexpr std::string_view name = "SwapTextEncoder";
  static constexpr std::string_view summary = "read another text encoder in place of the first (not exact)";
  std::int64_t width = 0;         // of the new encoder's hidden states; 0: as the map says
  std::int64_t max_length = 128;  // tokens of a prompt, where the model stores a caption of that length
  std::string prompt = {};        // JSON that says how the encoder is fed; kept in config.json
  std::uint64_t seed = 0;         // of the new layer, where there is no map
  std::string map = {};           // a safetensors file of `align`, for recipes and the command line
  /// From the new encoder's states to those that the model reads now, as PairMoments::ridge fits it.
  std::optional<AffineMap> align = {};

  static void describe(auto& self, auto& v) {
    v("width", self.width, "of the new encoder's hidden states");
    v("max_length", self.max_length, "tokens of a prompt");
    v("prompt", self.prompt, "JSON that says how the encoder is fed; travels with the weights");
    v("seed", self.seed, "of the new layer, where there is no map");
    v("map", self.map, "safetensors file of a map from its states to the old ones: weight [old, new], bias [old]");
  }

  /// Throws plan_error when no other encoder can take the place of the one that the family reads, for sizes that make
  /// no sense, for a map of other widths, for a model that knows how its encoder was fed and is not told how the new
  /// one is, and without allow_approximate.
  void apply(Plan& plan) const;

 private:
  Add anew(Plan& plan) const;
  Fill aligned(const Schema& now) const;
  GraftRecord record(const Schema& now) const;  // what later users must know: how the new encoder is fed
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/operators/swap_text_encoder_inl.hpp>
#endif
