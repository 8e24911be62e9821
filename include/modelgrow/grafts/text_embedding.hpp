// SPDX-License-Identifier: MIT
// What the grafts of a second text encoder share: options, and the projector of its states, once for the model.
#pragma once
#include <optional>
#include <string>

#include <modelgrow/grafts/context.hpp>
#include <modelgrow/nn/text_refiner.hpp>

namespace modelgrow::inline v0::grafts {

/// Of every graft whose blocks read the tokens of a second text encoder.
struct TextOptions {
  std::int64_t width = 0, max_length = 128, refiner = 0;
  std::string prompt = {};
  static void describe(auto& self, auto& v) {
    v("width", self.width, "of the encoder's hidden states");
    v("max_length", self.max_length, "tokens of a prompt");
    v("refiner", self.refiner, "transformer blocks over the tokens, behind their projection");
    v("prompt", self.prompt, "JSON that says how the encoder is fed; travels with the weights");
  }
};

/// y_embedder_2 and, with a refiner, y_refiner_2: states [B,L,width] -> tokens [B,L,C].
template <class T, Device D>
struct TextEmbedding {
  CaptionEmbedder<T, D> embedder;
  std::optional<TextRefiner<T, D>> refiner;

  /// Throws shape_error for sizes that make no sense.
  TextEmbedding(const Port& p, const TextOptions& o) {
    if (o.width <= 0 || o.max_length <= 0 || o.refiner < 0)
      throw shape_error("width " + std::to_string(o.width) + ", max_length " + std::to_string(o.max_length) +
                        ", refiner " + std::to_string(o.refiner) +
                        "; expected the width of the encoder's states, a length, and a number of blocks");
    embedder = CaptionEmbedder<T, D>(p.stream, o.width, o.max_length);
    if (o.refiner > 0) refiner.emplace(p.stream, detail::with_heads(p).heads, p.head_dim, p.ffn, o.refiner);
  }
  static void describe(auto& self, auto& v) {
    v.child("y_embedder_2", self.embedder);
    v.child("y_refiner_2", self.refiner);
  }
  void prepare(Tape<T, D>& tape, GraftContext<T, D>& c) {
    c.tokens = embedder(tape, c.text);
    if (refiner) c.tokens = (*refiner)(tape, c.tokens, c.time, c.text.lengths);
  }
};

}  // namespace modelgrow::inline v0::grafts
