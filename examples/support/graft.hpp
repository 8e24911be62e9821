// SPDX-License-Identifier: MIT
// Two pipelines from one base: grown by a temporal convolution alone, and with a language model grafted besides.
#pragma once
#include <optional>

#include <modelgrow/grow/operators/graft_text_encoder.hpp>
#include <modelgrow/grow/write.hpp>

#include "pipeline.hpp"
#include "second_text.hpp"

namespace example {

/// The growth of both; without a design no language model is grafted.
inline mg::Plan graft_plan(const mg::Schema& schema, std::optional<mg::TextDesign> design,
                           const mg::EmbeddingCache& states, std::uint64_t seed) {
  mg::Plan plan = mg::plan(schema, mg::ZeroInitLayer{.layer = "conv_temp", .arguments = {{"kind", "dense"}}});
  if (design)
    plan.apply(mg::GraftTextEncoder{.width = states.width(),
                                    .max_length = states.manifest().max_length,
                                    .design = *design,
                                    .prompt = mg::to_json(states.manifest()),
                                    .seed = seed});
  return plan;
}

/// Grows the transformer of a pipeline folder into a new one; the text encoder goes along.
inline mg::Report write_pipeline(const mg::Plan& plan, const std::filesystem::path& base,
                                 const std::filesystem::path& to) {
  std::filesystem::remove_all(to);
  std::filesystem::create_directories(to);
  const mg::Report report = plan.write(mg::Checkpoint::open(base / "transformer"), to / "transformer");
  std::filesystem::copy(base / "text_encoder", to / "text_encoder", std::filesystem::copy_options::recursive);
  return report;
}

/// How both go on training: so that the language model is needed, half of the captions are read by it alone.
struct GraftTraining {
  std::int64_t steps = 0, batch = 8, evaluations = 4;
  double lr = 1e-3, ema_decay = 0.995, first_text_dropout = 0.5;
  mg::Augmentation augmentation{};
};
inline RunOptions graft_run(const GraftTraining& how, const Model& model, const mg::EmbeddingCache& states,
                            std::string name, std::filesystem::path start_from, std::uint64_t seed) {
  return {.name = std::move(name),
          .steps = how.steps,
          .batch = how.batch,
          .lr = how.lr,
          .warmup = how.steps / 20,
          .schedule = mg::Schedule::Kind::cosine,
          .ema_decay = how.ema_decay,
          .augmentation = how.augmentation,
          .second_text = second_text(states),
          .first_text_dropout = model.transformer.config.takes_second_text() ? how.first_text_dropout : 0,
          .seed = seed,
          .evaluate_every = (how.steps + how.evaluations - 1) / how.evaluations,
          .measure_keywords = true,
          .start_from = std::move(start_from)};
}

}  // namespace example
