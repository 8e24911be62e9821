// SPDX-License-Identifier: MIT
// What a language model makes of captions, for models that read a second text encoder: the states of every phrase that
// a world can say are computed once (examples/encode.cpp), and a caption of several phrases has them one behind the
// other.
#pragma once
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <modelgrow/autograd/tape.hpp>
#include <modelgrow/models/byte_encoder_config.hpp>
#include <modelgrow/models/word_tokens.hpp>
#include <modelgrow/nn/caption_embedder.hpp>
#include <modelgrow/text/embedding_cache.hpp>

#include "world.hpp"

namespace growth {

/// Whether a text encoder has a token for every word of a caption.
inline bool knows(const mg::ByteEncoderConfig& text, const std::string& caption) {
  if (text.words.empty()) return true;
  const mg::WordTokens tokens(std::span(&caption, 1), text.words, text.max_length);
  return std::ranges::find(tokens.ids, mg::WordTokens::unknown) == tokens.ids.end();
}

class SecondText {
 public:
  /// `alone`: the share of captions that nothing else reads in training, so that what the language model says is
  /// learned too; then captions with words that the text encoder does not know are read alone as well. Throws io_error
  /// and format_error.
  SecondText(const std::filesystem::path& states, const World& world, double alone = 0)
      : cache_(mg::EmbeddingCache::open(states)), world_(world), alone_(alone) {}

  double alone() const { return alone_; }

  /// Throws format_error that names a phrase that is not there.
  template <mg::Device D>
  mg::TextStates<float, D> read(mg::Tape<float, D>& tape, const std::vector<std::string>& captions) const {
    std::vector<std::string> phrases;
    std::vector<std::int64_t> lengths, begins{0};
    for (const auto& caption : captions) {
      const auto parts = world_.phrases_of(caption);
      phrases.insert(phrases.end(), parts.begin(), parts.end());
      begins.push_back(std::int64_t(phrases.size()));
    }
    const mg::CaptionStates all = cache_.unpadded(phrases);
    for (std::size_t i = 0; i < captions.size(); ++i)
      lengths.push_back(all.begins[std::size_t(begins[i + 1])] - all.begins[std::size_t(begins[i])]);
    mg::PaddedStates<float> padded(lengths, cache_.width(), cache_.manifest());
    for (std::size_t i = 0; i < captions.size(); ++i)
      padded.set(
          i, mg::DType::f32,
          reinterpret_cast<const std::byte*>(all.states.data() + all.begins[std::size_t(begins[i])] * cache_.width()),
          lengths[i]);
    return {tape.constant(mg::to_device<D>(padded.states)), mg::to_device<D>(padded.lengths), {}};
  }

 private:
  mg::EmbeddingCache cache_;
  const World& world_;
  double alone_;
};

}  // namespace growth
