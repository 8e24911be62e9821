// SPDX-License-Identifier: MIT
// Another text encoder in place of the one a pipeline was trained with: the map between their states, the swapped
// pipeline, and how far its output moves.
#pragma once
#include <optional>

#include <modelgrow/text/caption_encoder.hpp>
#include <modelgrow/text/ridge.hpp>
#include <modelgrow/verify/output_change.hpp>

#include "graft.hpp"

namespace example {

/// A map from the states of a language model to those of a model's own encoder, and how good it is.
struct TextMap {
  mg::AffineMap map;
  std::int64_t fitted = 0, held_out = 0;  // pairs of tokens
  double r2_fitted = 0;
  std::optional<double> r2_held_out = {};  // none: no text was held out
};

/// A language model, and its states of all captions that are asked for.
struct LanguageModel {
  mg::CaptionEncoder<mg::Cpu> encoder;
  mg::EmbeddingCache states;
};

/// Fits the map on captions and keywords of the training clips, and measures it on those of the others, if any differ.
TextMap fit_text_map(Model& model, const LanguageModel& llm, const ClipData& data, double lambda);

/// The growth; with a map the old projector reads through it, else a random one does.
mg::Plan swap_plan(const std::filesystem::path& base, const mg::EmbeddingCache& states,
                   std::optional<mg::AffineMap> map, std::uint64_t seed);

/// What the predictions of `after` have to do with those of `before` on the validation clips, at fixed noise.
mg::OutputChange output_change(const FlowTask& task, Model& before, Model& after);

}  // namespace example
