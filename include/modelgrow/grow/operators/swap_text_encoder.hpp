// SPDX-License-Identifier: MIT
// SwapTextEncoder: a model reads another text encoder in place of the one it has. Not exact: what reads the states is
// new. align_text() (text/align_text.hpp) fills it in from the old layer and a map between the states.
#pragma once
#include <string>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// It works for every family that says where its text enters, behind allow_approximate.
struct SwapTextEncoder {
  static constexpr std::string_view name = "SwapTextEncoder";
  static constexpr std::string_view summary = "read another text encoder in place of the first (not exact)";
  std::int64_t width = 0;         // of the new encoder's hidden states
  std::int64_t max_length = 128;  // tokens of a prompt, where the model stores a caption of that length
  std::string prompt = {};        // JSON that says how the encoder is fed; kept in config.json
  std::uint64_t seed = 0;

  static void describe(auto& self, auto& v) {
    v("width", self.width, "of the new encoder's hidden states");
    v("max_length", self.max_length, "tokens of a prompt");
    v("prompt", self.prompt, "JSON that says how the encoder is fed; travels with the weights");
    v("seed", self.seed, "of the new parameters");
  }

  /// Throws plan_error when the family does not say where its text enters, for sizes that make no sense, for a model
  /// that knows how its encoder was fed and is not told how the new one is, and without allow_approximate.
  void apply(Plan& plan) const;

 private:
  GraftRecord record(const Schema& now) const;  // what later users must know: how the new encoder is fed
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/operators/swap_text_encoder_inl.hpp>
#endif
