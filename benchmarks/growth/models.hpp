// SPDX-License-Identifier: MIT
// Models from descriptions: sizes as JSON, pipeline folders, sizes after growth, and a twin that only counts.
#pragma once
#include <filesystem>
#include <span>

#include <modelgrow/grow/operator_call.hpp>
#include <modelgrow/train/lora.hpp>

#include "task.hpp"

namespace growth {

/// Sizes of a pipeline.
struct Sizes {
  mg::StditConfig transformer;
  mg::ByteEncoderConfig text_encoder;
};

/// Operators and grafts that recipes may name.
std::span<const mg::OperatorKind> operators();

/// {"transformer": {..}, "text_encoder": {..}}, both with the keys of config.json, and "recipe" for layers beside
/// these. Throws format_error, and option_error for keys that do not exist.
Sizes sizes_from(const Json& model, const std::string& where);
Json to_json(const Sizes& s);
/// Of a pipeline folder. Throws io_error, format_error.
Sizes sizes_of_folder(const std::filesystem::path& folder);
/// Growth by a recipe. Throws plan_error, option_error.
mg::Plan plan_of(const Sizes& s, const Json& recipe, const std::string& where = "recipe");
/// After growth by a recipe. Throws plan_error, option_error.
Sizes grown(const Sizes& s, const Json& recipe);

/// Throws option_error for operators and options that do not exist.
std::vector<mg::OperatorCall> calls_of(const Json& recipe, const std::string& where);
/// A recipe in the library's own words.
Json canonical(const Json& recipe, const std::string& where);
/// The same with a seed where an operator takes one and none was chosen.
Json with_seed(const Json& recipe, std::uint64_t seed);

/// Freezes a model and gives it adapters, unless their rank is 0.
template <class Model>
void adapt(Model& model, const Adapters& a, std::uint64_t seed) {
  if (a.rank > 0) mg::add_adapters(model, {.rank = a.rank, .alpha = a.alpha, .pattern = a.pattern, .seed = seed});
}

/// A model of these sizes, weights not filled; with adapters, which are.
template <mg::Device D>
ModelOn<D> model_of(const Sizes& s, const Adapters& adapters = {}, std::uint64_t seed = 0) {
  ModelOn<D> model(s.transformer, s.text_encoder);
  adapt(model, adapters, seed);
  return model;
}

/// Operations of a training step, the mean over the first steps of a run.
double expected_step_flops(const Sizes& s, const Adapters& adapters, const World& world, const Training& training,
                           const SecondText* second);
/// Of a step of learning how to grow by a recipe. Throws plan_error for growth that cannot be learned.
double expected_learning_flops(const Sizes& before, const Json& recipe, const World& world, const Training& training,
                               const SecondText* second);

}  // namespace growth
