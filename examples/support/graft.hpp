// SPDX-License-Identifier: MIT
// Two pipelines from one base: grown by a temporal convolution alone, and with a language model grafted besides.
#pragma once
#include <optional>

#include <modelgrow/grafts.hpp>

#include "pipeline.hpp"
#include "text_source.hpp"

namespace example {

/// The growth of both; `design` names the graft by which a language model enters ("CrossText"), empty: none is grafted.
/// Throws modelgrow::error for a base without a text encoder of its own.
mg::Plan graft_plan(const std::filesystem::path& base, const std::string& design, const mg::EmbeddingCache& states,
                    std::uint64_t seed);

/// Grows the transformer of a pipeline folder into a new one, by all ranks; the text encoder goes along, if it is read.
mg::Report write_pipeline(const mg::Plan& plan, const std::filesystem::path& base, const std::filesystem::path& to,
                          mg::Ranks& ranks);

/// How both go on training: so that the language model is needed, half of the captions are read by it alone.
struct GraftTraining {
  std::int64_t steps = 0, batch = 8, evaluations = 4;
  double lr = 1e-3, ema_decay = 0.995, first_text_dropout = 0.5;
  mg::Augmentation augmentation{};
};
RunOptions graft_run(const GraftTraining& how, const Model& model, const mg::EmbeddingCache& states, std::string name,
                     std::filesystem::path start_from, std::uint64_t seed);

}  // namespace example
