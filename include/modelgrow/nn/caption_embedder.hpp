// SPDX-License-Identifier: MIT
// Text states mapped to the hidden width, with the unconditional caption of classifier-free guidance.
#pragma once
#include <cmath>
#include <string>

#include <modelgrow/nn/mlp.hpp>
#include <modelgrow/ops/replace_dropped.hpp>

namespace modelgrow::inline v0 {

/// What a text encoder hands to a video model: states [B,L,width], the number of valid tokens of each caption, and
/// which captions are dropped (non-zero) in favour of the null embedding; `dropped` may be undefined.
template <class T, Device D>
struct TextStates {
  Var<T, D> states;
  Tensor<std::int32_t, D> lengths, dropped;
};

/// y_proj(states), where dropped captions are replaced by the stored buffer y_embedding (Open-Sora's CaptionEmbedder).
template <class T, Device D>
struct CaptionEmbedder {
  Parameter<T, D> y_embedding;
  Mlp<T, D> y_proj;

  CaptionEmbedder() = default;
  CaptionEmbedder(const Extent& hidden, std::int64_t channels, std::int64_t max_length)
      : y_embedding(ParamInfo{.axes = {fixed(max_length), fixed(channels)},
                              .init = Init::normal(1.0 / std::sqrt(double(channels))),
                              .purpose = Purpose::buffer}),
        y_proj(channels, hidden, hidden) {}

  static void describe(auto& self, auto& v) {
    v("y_embedding", self.y_embedding);
    v.child("y_proj", self.y_proj);
  }
  /// -> [B,L,hidden]. Throws shape_error when captions are wider or longer than the model takes.
  Var<T, D> operator()(Tape<T, D>& tape, const TextStates<T, D>& text) {
    const auto length = y_embedding.value.dim(0), channels = y_embedding.value.dim(1);
    if (text.states.shape().rank() != 3 || text.states.dim(2) != channels || text.states.dim(1) > length)
      throw shape_error("text states have shape " + to_string(text.states.shape()) +
                        " but the model takes [batch, up to " + std::to_string(length) + ", " +
                        std::to_string(channels) +
                        "]; use the text encoder the model was trained with, and crop longer captions");
    Var<T, D> states = text.states;
    if (text.dropped.defined()) {
      const auto null = tape.constant(y_embedding.value.view(0, {states.dim(1), channels}));
      states = replace_dropped(tape, states, text.dropped, null);
    }
    return y_proj(tape, states);
  }
};

}  // namespace modelgrow::inline v0
