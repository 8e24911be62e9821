// SPDX-License-Identifier: MIT
// A video transformer and the text encoder trained with it, if there is one, as one described model; on disk each has
// its own folder.
#pragma once
#include <optional>

#include <modelgrow/models/byte_encoder.hpp>
#include <modelgrow/models/stdit.hpp>

namespace modelgrow::inline v0 {

/// Parameters are named "transformer.<...>" and "text_encoder.<...>".
template <class T, Device D>
struct TextToVideo {
  static constexpr std::string_view family = "text_to_video";
  Stdit<T, D> transformer;
  std::optional<ByteEncoder<T, D>> text_encoder;  // none: the states come from elsewhere, such as a language model

  /// Throws shape_error when the encoder's width or length is not what the transformer takes.
  TextToVideo(const StditConfig& video, const ByteEncoderConfig& text) : transformer(video) {
    text_encoder.emplace(text);
    if (text.width != video.caption_channels || text.max_length > video.model_max_length)
      throw shape_error("the text encoder gives up to " + std::to_string(text.max_length) + " tokens of width " +
                        std::to_string(text.width) + "; the transformer takes up to " +
                        std::to_string(video.model_max_length) + " of width " + std::to_string(video.caption_channels));
  }

  /// A transformer whose text states come from elsewhere.
  explicit TextToVideo(const StditConfig& video) : transformer(video) {}

  static void describe(auto& self, auto& v) {
    v.child("transformer", self.transformer);
    v.child("text_encoder", self.text_encoder);
  }
};

}  // namespace modelgrow::inline v0
