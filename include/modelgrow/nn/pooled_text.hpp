// SPDX-License-Identifier: MIT
// A caption as one vector beside the time embedding (Lumina's cap_embedder, vector_in of Flux and HunyuanVideo).
#pragma once
#include <cmath>

#include <modelgrow/nn/caption_embedder.hpp>
#include <modelgrow/nn/layer_norm.hpp>
#include <modelgrow/ops/masked_mean.hpp>

namespace modelgrow::inline v0 {

/// proj(LN(mean of the valid tokens)); dropped captions have the stored mean y_embedding. proj starts at zero.
template <class T, Device D>
struct PooledText {
  Parameter<T, D> y_embedding;
  LayerNorm<T, D> norm;
  Linear<T, D> proj;

  PooledText() = default;
  PooledText(const Extent& hidden, std::int64_t channels)
      : y_embedding(ParamInfo{.axes = {fixed(1), fixed(channels)},
                              .init = Init::normal(1.0 / std::sqrt(double(channels))),
                              .purpose = Purpose::buffer}),
        norm(channels),
        proj(hidden, channels, Init::zeros(), Writes::residual) {}

  static void describe(auto& self, auto& v) {
    v("y_embedding", self.y_embedding);
    v.child("norm", self.norm);
    v.child("proj", self.proj);
  }
  /// -> [B,hidden]. Throws shape_error when the states have another width.
  Var<T, D> operator()(Tape<T, D>& tape, const TextStates<T, D>& text) {
    const std::int64_t channels = y_embedding.value.dim(1);
    expect_shape("pooled text", "the text", text.states.shape(), {any_size, any_size, channels},
                 "use the text encoder the model was trained with");
    Var<T, D> mean = masked_mean(tape, text.states, text.lengths);
    if (text.dropped.defined()) {
      const std::int64_t batch = mean.dim(0);
      mean = reshape(tape,
                     replace_dropped(tape, reshape(tape, mean, {batch, 1, channels}), text.dropped,
                                     tape.constant(y_embedding.value)),
                     {batch, channels});
    }
    return proj(tape, norm(tape, mean));
  }
};

}  // namespace modelgrow::inline v0
