// SPDX-License-Identifier: MIT
// A text-to-video pipeline folder (transformer/, text_encoder/) as a model, and pictures of its runs.
#pragma once
#include <modelgrow/media/plot.hpp>

#include "run.hpp"

namespace example {

/// Configurations of a pipeline folder; the weights come with the run that starts from it. A transformer that says how
/// its text encoder is fed (`prompt`) reads a language model, and has no text_encoder/ beside it.
Model model_of(const std::filesystem::path& pipeline);

enum class Weights { last, averaged };
Model load_pipeline(const std::filesystem::path& pipeline, Weights which);

/// Copies text_encoder/ of a pipeline beside a transformer that reads it.
void copy_text_encoder(const std::filesystem::path& pipeline, const std::filesystem::path& to);

/// The model with random weights.
Model fresh_model(Model model, std::uint64_t seed);

/// The size of clips that a video model takes.
mg::ClipSize clip_size(const mg::StditConfig& video);

/// Clips of the size that a video model takes. Throws shape_error when they have other channels.
ClipData clips_for(const mg::StditConfig& video, const ClipSource& source);

/// The validation loss of a run over the compute spent.
mg::Series series(const std::string& name, const RunResult& r);

/// Validation losses over compute: above the runs that begin with a trained model, below all of them, because the curve
/// of a fresh model would flatten the others.
mg::Clip loss_picture(std::span<const mg::Series> trained, std::span<const mg::Series> fresh = {});

/// Clip i of clips [n, channels, T, H, W].
mg::Clip clip_of(const mg::Tensor<float, mg::Cpu>& clips, std::int64_t i);

}  // namespace example
