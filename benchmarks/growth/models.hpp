// SPDX-License-Identifier: MIT
// Models from descriptions: sizes as JSON, pipeline folders, sizes after growth, and a twin that only counts.
#pragma once
#include <filesystem>
#include <map>
#include <span>

#include <modelgrow/grow/operator_call.hpp>

#include "task.hpp"

namespace growth {

/// Sizes of a pipeline.
struct Sizes {
  mg::StditConfig transformer;
  mg::ByteEncoderConfig text_encoder;
};

/// Operators and grafts that recipes may name.
std::span<const mg::OperatorKind> operators();

/// {"transformer": {..}, "text_encoder": {..}}, both with the keys of config.json. Throws format_error, and option_error
/// for keys that do not exist.
Sizes sizes_from(const Json& model, const std::string& where);
Json to_json(const Sizes& s);
/// Of a pipeline folder. Throws io_error, format_error.
Sizes sizes_of_folder(const std::filesystem::path& folder);
/// After growth by a recipe. Throws plan_error, option_error.
Sizes grown(const Sizes& s, const Json& recipe);

/// Throws option_error for operators and options that do not exist.
std::vector<mg::OperatorCall> calls_of(const Json& recipe, const std::string& where);
/// A recipe in the library's own words.
Json canonical(const Json& recipe, const std::string& where);
/// The same with a seed where an operator takes one and none was chosen.
Json with_seed(const Json& recipe, std::uint64_t seed);

/// Operations of a training step, the mean over the first steps of a run.
double expected_step_flops(const Sizes& s, const World& world, const Training& training);

/// A model of these sizes whose operations are counted; parameters are frozen as in `like`.
template <mg::Device D>
ModelOn<mg::FlopCounter> counting_twin(const ModelOn<D>& like) {
  ModelOn<mg::FlopCounter> twin = like.text_encoder
                                      ? ModelOn<mg::FlopCounter>(like.transformer.config, like.text_encoder->config)
                                      : ModelOn<mg::FlopCounter>(like.transformer.config);
  std::map<std::string, bool> trained;
  mg::for_each_parameter(like, [&](const std::string& path, const auto& p) { trained[path] = p.trained(); });
  mg::for_each_parameter(twin, [&]<class P>(const std::string& path, P& p) {
    if (!trained.at(path)) p.state = P::State::frozen;
  });
  return twin;
}

}  // namespace growth
