// SPDX-License-Identifier: MIT
// Sizes of models, read, grown and counted without training anything.
#include "models.hpp"

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/grafts/known.hpp>
#include <modelgrow/grow/operators/all.hpp>
#include <modelgrow/models/byte_encoder_json.hpp>
#include <modelgrow/models/stdit_json.hpp>

#include "learning.hpp"

namespace growth {

namespace {
/// Reads a configuration of which every key is known.
template <class C>
void read_part(const Json& model, const char* part, C& config, const std::string& where) {
  const Json* const keys = mg::detail::member(model, part);
  if (!keys) return;
  C widest = config;  // so that every key is written
  if constexpr (requires { widest.prediction; }) widest.prediction = mg::Prediction::clip;
  const Json known = mg::detail::parse_json(mg::config_text(widest), where);
  std::vector<std::string> names;
  for (const auto& [key, value] : known.items()) names.push_back(key);
  for (const auto& [key, value] : keys->items())
    if (!known.contains(key) && !key.starts_with("_"))
      throw mg::option_error(where + ": " + part + " has no '" + key + "'" + mg::nearest_names(key, names));
  mg::read_config(config, keys->dump(), where + ": " + part);
}
}  // namespace

std::span<const mg::OperatorKind> operators() {
  static const std::vector<mg::OperatorKind> all = [] {
    auto list = mg::known_operators();
    list.insert(list.end(), mg::known_grafts().begin(), mg::known_grafts().end());
    return list;
  }();
  return all;
}

Sizes sizes_from(const Json& model, const std::string& where) {
  Sizes s;
  s.transformer.pred_sigma = false;
  read_part(model, "text_encoder", s.text_encoder, where);
  s.transformer.caption_channels = s.text_encoder.width;
  s.transformer.model_max_length = s.text_encoder.max_length;
  read_part(model, "transformer", s.transformer, where);
  const Json* const recipe = mg::detail::member(model, "recipe");
  return recipe ? grown(s, canonical(*recipe, where + ": recipe")) : s;
}

Json to_json(const Sizes& s) {
  return {{"transformer", mg::detail::parse_json(mg::config_text(s.transformer), "transformer")},
          {"text_encoder", mg::detail::parse_json(mg::config_text(s.text_encoder), "text_encoder")}};
}

Sizes sizes_of_folder(const std::filesystem::path& folder) {
  Sizes s;
  const auto read = [&](const char* part, auto& config) {
    const auto path = folder / part;
    mg::read_config(config, mg::Checkpoint::open(path).config(), path.string());
  };
  read("transformer", s.transformer);
  read("text_encoder", s.text_encoder);
  return s;
}

std::vector<mg::OperatorCall> calls_of(const Json& recipe, const std::string& where) {
  return mg::read_recipe(recipe.dump(), operators(), where);
}

Json canonical(const Json& recipe, const std::string& where) {
  return mg::detail::parse_json(mg::recipe_text(calls_of(recipe, where)), where);
}

Json with_seed(const Json& recipe, std::uint64_t seed) {
  Json seeded = recipe;
  for (auto& step : seeded) {
    auto& options = step.begin().value();
    const auto& fields = mg::find_operator(operators(), step.begin().key(), "recipe").fields;
    const bool takes = std::ranges::any_of(fields, [](const mg::Field& f) { return f.key == "seed"; });
    if (takes && !options.contains("seed")) options["seed"] = seed;
  }
  return canonical(seeded, "recipe");
}

mg::Plan plan_of(const Sizes& s, const Json& recipe, const std::string& where) {
  return mg::plan(mg::schema(mg::Stdit<float, mg::Meta>(s.transformer)), calls_of(recipe, where));
}

Sizes grown(const Sizes& s, const Json& recipe) {
  if (recipe.empty()) return s;
  return {mg::resized(s.transformer, plan_of(s, recipe).schema()), s.text_encoder};
}

namespace {
/// The mean of the first steps of a run.
double mean_of_steps(const auto& flops) {
  constexpr std::int64_t steps = 16;
  double sum = 0;
  for (std::int64_t i = 0; i < steps; ++i) sum += flops(i);
  return sum / double(steps);
}
}  // namespace

double expected_step_flops(const Sizes& s, const Adapters& adapters, const World& world, const Training& training,
                           const SecondText* second) {
  auto counted = model_of<mg::FlopCounter>(s, adapters);
  const Task<mg::FlopCounter> task(world, training, 1, second);
  return mean_of_steps([&](std::int64_t i) { return task.flops(counted, i); });
}

double expected_learning_flops(const Sizes& before, const Json& recipe, const World& world, const Training& training,
                               const SecondText* second) {
  CountedLearning counted(before, grown(before, recipe), plan_of(before, recipe));
  const Task<mg::FlopCounter> task(world, training, 1, second);
  return mean_of_steps([&](std::int64_t i) { return counted.flops(task, i); });
}

}  // namespace growth
