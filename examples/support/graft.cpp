// SPDX-License-Identifier: MIT
// Growing pipelines with and without a language model.
#include "graft.hpp"

#include <modelgrow/grafts.hpp>
#include <modelgrow/grafts/known.hpp>

namespace example {

mg::Plan graft_plan(const std::filesystem::path& base, const std::string& design, const mg::EmbeddingCache& states,
                    std::uint64_t seed) {
  if (!model_of(base).text_encoder)
    throw mg::error(base.string() +
                    ": this model reads a language model in place of a text encoder of its own, and nothing is grafted "
                    "beside it here; give a pipeline with text_encoder/");
  mg::Plan plan = mg::plan(mg::Checkpoint::open(base / "transformer"), mg::Graft<mg::grafts::TemporalConv>{});
  if (design.empty()) return plan;
  const mg::OperatorKind& graft = mg::find_operator(mg::known_grafts(), design, "graft");
  mg::detail::json options{{"width", states.width()}, {"prompt", mg::to_json(states.manifest())}, {"seed", seed}};
  for (const auto& field : graft.fields)  // what stands for a whole caption has no length
    if (field.key == "max_length") options["max_length"] = states.manifest().max_length;
  graft.from_json(options, design).apply(plan);
  return plan;
}

mg::Report write_pipeline(const mg::Plan& plan, const std::filesystem::path& base, const std::filesystem::path& to,
                          mg::Ranks& ranks) {
  ranks.together([&] {
    if (!ranks.first()) return;
    std::filesystem::remove_all(to);
    std::filesystem::create_directories(to);
  });
  const mg::Report report =
      plan.write(mg::Checkpoint::open(base / "transformer"), to / "transformer", {.ranks = &ranks});
  ranks.together([&] {
    if (ranks.first()) copy_text_encoder(base, to);
  });
  return report;
}

RunOptions graft_run(const GraftTraining& how, const Model& model, const mg::EmbeddingCache& states, std::string name,
                     std::filesystem::path start_from, std::uint64_t seed) {
  const bool joined = mg::takes_schedule(model.transformer);
  return {.name = std::move(name),
          .steps = how.steps,
          .batch = how.batch,
          .lr = how.lr,
          .warmup = how.steps / 20,
          .schedule = mg::Schedule::Kind::cosine,
          .ema_decay = how.ema_decay,
          .augmentation = how.augmentation,
          .second_text = text_source(states),
          .first_text_dropout = mg::second_text(model.transformer.config.grafts) ? how.first_text_dropout : 0,
          .anneal = joined ? std::optional(mg::LogitAnneal{.steps = how.steps / 2}) : std::nullopt,
          .seed = seed,
          .evaluate_every = (how.steps + how.evaluations - 1) / how.evaluations,
          .measure_keywords = true,
          .start_from = std::move(start_from)};
}

}  // namespace example
