// SPDX-License-Identifier: MIT
// Experiments read from JSON.
#include "experiment.hpp"

#include <set>

#include <modelgrow/detail/json_members.hpp>

#include "content.hpp"

namespace growth {

namespace {

using mg::detail::member;

/// Throws option_error for a key that is not one of these.
void require_known(const Json& object, std::initializer_list<const char*> keys, const std::string& where) {
  if (!object.is_object()) throw mg::option_error(where + ": found " + object.dump() + "; expected an object");
  const std::vector<std::string> names(keys.begin(), keys.end());
  for (const auto& [key, value] : object.items())
    if (std::ranges::find(names, key) == names.end())
      throw mg::option_error(where + ": there is no '" + key + "'" + mg::nearest_names(key, names));
}

std::string text_of(const Json& object, const char* key, const std::string& where,
                    const std::optional<std::string>& otherwise = {}) {
  const Json* const value = member(object, key);
  if (!value && otherwise) return *otherwise;
  if (!value || !value->is_string()) throw mg::option_error(where + ": '" + key + "' is missing; expected text");
  return value->get<std::string>();
}

/// Whether a value is just of this type, which conversions would bend.
template <class T>
bool is_of(const Json& value) {
  if constexpr (std::is_same_v<T, std::string>)
    return value.is_string();
  else if constexpr (std::is_floating_point_v<T>)
    return value.is_number();
  else if constexpr (std::is_integral_v<T>)
    return value.is_number_integer() && (std::is_signed_v<T> || value >= 0);
  else
    return value.is_array() && std::all_of(value.begin(), value.end(), is_of<typename T::value_type>);
}

/// What an object holds, or what it is without; `example` shows how it is written.
template <class T>
T value_or(const Json& object, const char* key, T otherwise, const std::string& where, const char* example) {
  const Json* const value = member(object, key);
  if (!value) return otherwise;
  if (!is_of<T>(*value))
    throw mg::option_error(where + ": '" + key + "' is " + value->dump() + "; expected such as " + example);
  return value->get<T>();
}

Json object_of(const Json& object, const char* key) {
  const Json* const value = member(object, key);
  return value ? *value : Json::object();
}

/// `changes` over `common`, key by key.
Json merged(Json common, const Json& changes) {
  common.merge_patch(changes);
  return common;
}

/// What all arms share.
struct Common {
  Json model, training;
  std::int64_t channels = 0;
  std::string vocabulary = {};
  std::optional<Sizes> of_folder;
};

std::vector<GrowthPoint> growth_from(const Json& arm, const Sizes& sizes, const std::string& where) {
  std::vector<GrowthPoint> points;
  const Json* const list = member(arm, "growth");
  if (!list) return points;
  if (!list->is_array()) throw mg::option_error(where + ": 'growth' is a list, as [{\"at\": 0.5, \"recipe\": [..]}]");
  Sizes now = sizes;
  double last = -1;
  for (const auto& g : *list) {
    require_known(g, {"at", "recipe", "mask_steps", "learning"}, where + ": growth");
    const Json* const at = member(g, "at");
    const Json* const recipe = member(g, "recipe");
    GrowthPoint point{.at = at && at->is_number() ? at->get<double>() : 0};
    if (!(point.at >= 0 && point.at < 1 && point.at > last) || !recipe)
      throw mg::option_error(where + ": growth " + g.dump() +
                             ": expected a 'recipe' and 'at', a share of the steps below 1, in ascending order");
    last = point.at;
    point.mask_steps = value_or<std::int64_t>(g, "mask_steps", 0, where + ": growth", "200");
    point.learning = mg::detail::fields_from_json<Learning>(object_of(g, "learning"), where + ": growth: learning");
    if (point.learning.steps < 0 || !(point.learning.rate > 0) || (point.learning.steps > 0 && point.mask_steps > 0))
      throw mg::option_error(where + ": growth " + g.dump() +
                             ": expected 'learning' of 0 or more steps at a rate above 0, and without 'mask_steps'");
    point.recipe = canonical(*recipe, where + ": recipe");
    now = grown(now, point.recipe);
    points.push_back(std::move(point));
  }
  return points;
}

/// Sizes of a model for the clips of a world, whose words it may take for tokens: {"words": "world"}.
Sizes sizes_of(Json model, const Common& common, const std::string& where) {
  Json& channels = model["transformer"]["in_channels"];
  if (channels.is_null()) channels = common.channels;
  Json& text = model["text_encoder"];
  if (text.is_null()) text = Json::object();
  if (text.value("words", std::string()) == "world") text["words"] = common.vocabulary;
  return sizes_from(model, where);
}

/// Whether what it grows into reads a language model.
bool reads_second_text(const Arm& arm) {
  Sizes s = arm.sizes;
  for (const auto& g : arm.growth) s = grown(s, g.recipe);
  return mg::second_text(s.transformer.grafts).has_value();
}

Arm arm_from(const Json& j, const Common& common, const std::string& where) {
  Arm arm{.name = text_of(j, "name", where, base_name), .what = text_of(j, "what", where, "")};
  const std::string here = where + ": arm '" + arm.name + "'";
  arm.training =
      mg::detail::fields_from_json<Training>(merged(common.training, object_of(j, "training")), here + ": training");
  if (common.of_folder && member(j, "model"))
    throw mg::option_error(here + ": its model is that of the base; only a recipe can change it");
  arm.sizes =
      common.of_folder ? *common.of_folder : sizes_of(merged(common.model, object_of(j, "model")), common, here);
  if (arm.sizes.transformer.in_channels != common.channels)
    throw mg::option_error(here + ": the model takes " + std::to_string(arm.sizes.transformer.in_channels) +
                           " channels, the clips of the world have " + std::to_string(common.channels));
  arm.growth = growth_from(j, arm.sizes, here);
  arm.adapters = mg::detail::fields_from_json<Adapters>(object_of(j, "adapters"), here + ": adapters");
  if (arm.adapters.rank > 0 && !arm.growth.empty())
    throw mg::option_error(here + ": has both 'adapters' and 'growth'; what is adapted is frozen and does not grow");
  arm.alone = value_or<double>(j, "alone", 0, here, "0.3");
  if (!(arm.alone >= 0 && arm.alone <= 1) || (arm.alone > 0 && !reads_second_text(arm)))
    throw mg::option_error(here +
                           ": 'alone' is the share of captions that only the language model reads, 0 to 1, of a "
                           "model that grows a CrossText");
  return arm;
}

Budget budget_from(const Json& j, const std::string& where) {
  const auto b = mg::detail::fields_from_json<Budget>(object_of(j, "budget"), where + ": budget");
  if ((b.steps > 0) == (b.tflop > 0))
    throw mg::option_error(where + ": a budget has either 'steps' or 'tflop', more than 0");
  return b;
}

Base base_from(const Json& j, Common& common, const std::filesystem::path& folder, const std::string& where) {
  Base base;
  if (member(j, "folder")) {
    require_known(j, {"folder"}, where);
    base.folder = found_path(folder, text_of(j, "folder", where)).string();
    for (const char* part : {"transformer", "text_encoder"})
      base.content += checksum_of_folder(std::filesystem::path(base.folder) / part);
    common.of_folder = sizes_of_folder(base.folder);
    return base;
  }
  require_known(j, {"what", "model", "training", "budget", "seed"}, where);
  base.arm = arm_from(j, common, where);
  base.budget = budget_from(j, where);
  base.seed = value_or<std::uint64_t>(j, "seed", 0, where, "1");
  common.of_folder = base.arm.sizes;
  return base;
}

}  // namespace

Experiment experiment_from(const Json& j, const std::filesystem::path& folder, const std::string& where) {
  require_known(j,
                {"name", "what", "world", "model", "training", "measuring", "budget", "must_read", "language_model",
                 "seeds", "against", "base", "arms", "pictured"},
                where);
  Experiment e{.name = text_of(j, "name", where), .what = text_of(j, "what", where)};
  e.world = choose_world(object_of(j, "world"), folder, where);
  e.measuring = mg::detail::fields_from_json<Measuring>(object_of(j, "measuring"), where + ": measuring");
  e.budget = budget_from(j, where);
  if (const Json* const model = member(j, "language_model")) {
    require_known(*model, {"states", "encode"}, where + ": language_model");
    const std::string how = text_of(*model, "encode", where + ": language_model", "");
    e.states_file = found_path(folder, text_of(*model, "states", where + ": language_model")).string();
    if (!std::filesystem::exists(e.states_file))
      throw mg::io_error(e.states_file + ": no such file; scripts/bench-growth makes it, or: bench_growth " + where +
                         " --phrases > phrases.txt, encode --model MODEL --captions phrases.txt " + how +
                         (how.empty() ? "" : " ") + "--out " + e.states_file);
    e.states = checksum_of_file(e.states_file);
  }
  e.must_read = value_or<double>(j, "must_read", 0, where, "0.1");
  e.seeds = value_or<std::vector<std::uint64_t>>(j, "seeds", {}, where, "[1, 2, 3]");
  if (e.seeds.empty() || std::set(e.seeds.begin(), e.seeds.end()).size() != e.seeds.size())
    throw mg::option_error(where + ": 'seeds' is a list of different whole numbers, as [1, 2, 3]");
  Common common{.model = object_of(j, "model"),
                .training = object_of(j, "training"),
                .channels = channels_of(e.world),
                .vocabulary = vocabulary_of(e.world),
                .of_folder = {}};
  if (const Json* const base = member(j, "base")) e.base = base_from(*base, common, folder, where + ": base");
  std::set<std::string> names{base_name};
  for (const auto& arm : object_of(j, "arms")) {
    require_known(arm, {"name", "what", "model", "training", "growth", "adapters", "alone"}, where + ": arm");
    e.arms.push_back(arm_from(arm, common, where));
    if (!names.insert(e.arms.back().name).second)
      throw mg::option_error(where + ": two arms are called '" + e.arms.back().name + "', the name of a base is base");
  }
  if (e.arms.empty()) throw mg::option_error(where + ": there are no 'arms' to train");
  e.against = text_of(j, "against", where, e.arms.front().name);
  e.pictured = value_or<std::vector<std::string>>(j, "pictured", {}, where, "[\"scratch\"]");
  std::vector<std::string> mentioned = e.pictured;
  mentioned.insert(mentioned.end(), {e.against, e.budget.of});
  for (const std::string& name : mentioned)
    if (!name.empty() && (!names.contains(name) || name == base_name))
      throw mg::option_error(where + ": there is no arm '" + name + "'" + mg::nearest_names(name, names));
  return e;
}

Experiment read_experiment(const std::filesystem::path& path) {
  return experiment_from(mg::detail::parse_json(mg::detail::read_file(path), path.string()), path.parent_path(),
                         path.string());
}

}  // namespace growth
