// SPDX-License-Identifier: MIT
// The definitions of averages.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <cstring>

#include <modelgrow/checkpoint/averages.hpp>
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/torch_weights.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/json_members.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// What EMAModel of diffusers keeps, in its state and in config.json.
inline constexpr std::array<std::string_view, 7> average_settings{
    "decay", "min_decay", "optimization_step", "update_after_step", "use_ema_warmup", "inv_gamma", "power"};

/// Numbers and flags of a dictionary.
inline void add_settings(const PickleDict& from, PickleDict& settings) {
  for (const auto& item : from.items)
    if (const auto* key = item.key.get<std::string>();
        key && (item.value.get<bool>() || item.value.get<std::int64_t>() || item.value.get<double>()))
      settings.set(*key, item.value);
}

inline Averages averages_of_folder(const std::filesystem::path& path) {
  const auto weights = Checkpoint::open(path);
  if (!is_average_config(weights.config()))
    throw format_error(path.string() +
                       ": its config.json says nothing of an average (decay, optimization_step); the "
                       "folder holds weights, or was saved otherwise");
  Averages found;
  const auto config = parse_json(weights.config(), (path / Checkpoint::config_file).string());
  for (const auto key : average_settings)
    if (const auto* value = member(config, key)) {
      if (value->is_boolean())
        found.settings.set(key, PickleValue(value->get<bool>()));
      else if (value->is_number_integer())
        found.settings.set(key, PickleValue(value->get<std::int64_t>()));
      else if (value->is_number())
        found.settings.set(key, PickleValue(value->get<double>()));
    }
  for (const auto& file : weights.files()) {
    const auto shared = std::make_shared<const MappedTensors>(file);
    for (const auto& view : shared->tensors())
      found.tensors.emplace_back(weights.prefix().without(view.name), shared, view);
  }
  return found;
}

/// A dictionary with a list of tensors (shadow_params of EMAModel, shadow of others), on the way that `at` names.
struct AverageList {
  std::string at;
  const PickleDict* dict;
  const PickleList* list;
};
inline void find_lists(const PickleDict& dict, const std::string& at, int depth, std::vector<AverageList>& found) {
  for (const auto& item : dict.items) {
    const auto* key = item.key.get<std::string>();
    const auto* list = item.value.get<PickleList>();
    const auto* inner = item.value.get<PickleDict>();
    if (key && list && !list->values.empty() &&
        std::ranges::all_of(list->values, [](const PickleValue& v) { return tensor_of(v).has_value(); }))
      found.push_back({.at = at, .dict = &dict, .list = list});
    if (key && inner && depth > 0) find_lists(*inner, at + (at.empty() ? "" : "/") + *key, depth - 1, found);
  }
}

inline Averages averages_in_order(const TorchFile& file, const AverageList& list,
                                  const std::vector<NamedShape>& order) {
  const auto fail = [&](const std::string& what) { throw format_error(file.path().string() + ": " + what); };
  if (order.size() != list.list->values.size())
    fail("it has a list of " + std::to_string(list.list->values.size()) +
         " averages without names, and the order has " + std::to_string(order.size()) +
         " parameters; give all parameters of the model in torch's order");
  std::vector<TorchFile::Named> named;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto tensor = tensor_of(list.list->values[i]);
    if (tensor->shape != order[i].shape)
      fail("average " + std::to_string(i) + " has shape " + to_string(tensor->shape) + ", and '" + order[i].name +
           "' " + to_string(order[i].shape) + ": the order is another, or the averages are of another save");
    named.emplace_back(order[i].name, *tensor);
  }
  Averages found;
  add_settings(*list.dict, found.settings);
  const auto tensors = std::make_shared<const MappedTensors>(file.tensors(named));
  for (const auto& view : tensors->tensors()) found.tensors.emplace_back(view.name, tensors, view);
  return found;
}

/// As torch.optim.swa_utils.AveragedModel has them: "module." before each name, and a count.
inline Averages named_averages(const TorchFile& file, const std::string& at) {
  const auto state = find_torch_weights(file.root(), at, file.path().string());
  Averages found;
  std::vector<TorchFile::Named> named;
  for (const auto& [name, tensor] : state.tensors) {
    if (name != "n_averaged") {
      named.emplace_back(name, tensor);
      continue;
    }
    std::int64_t count = 0;
    if (const auto bytes = file.copy(tensor); bytes.size() == sizeof count)
      std::memcpy(&count, bytes.data(), sizeof count);
    found.settings.set(name, PickleValue(count));
  }
  std::vector<std::string_view> names;
  for (const auto& [name, tensor] : named) names.push_back(name);
  const NamePrefix prefix(names);
  const auto tensors = std::make_shared<const MappedTensors>(file.tensors(named));
  for (const auto& view : tensors->tensors()) found.tensors.emplace_back(prefix.without(view.name), tensors, view);
  return found;
}

}  // namespace detail

MODELGROW_INLINE bool is_average_config(const std::string& config) {
  if (config.empty()) return false;
  const auto json = detail::parse_json(config, "config.json");
  return detail::has(json, "decay") && detail::has(json, "optimization_step");
}

MODELGROW_INLINE Averages read_averages(const std::filesystem::path& path, const AveragesOptions& options) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return detail::averages_of_folder(path);
  const auto file = TorchFile::open(path);
  std::vector<detail::AverageList> lists;
  constexpr int deepest = 2;
  if (const auto* root = file.root().get<PickleDict>()) detail::find_lists(*root, "", deepest, lists);
  std::string places;
  for (const auto& list : lists) places.append(places.empty() ? "'" : ", '").append(list.at).append("'");
  if (!options.at.empty()) std::erase_if(lists, [&](const auto& list) { return list.at != options.at; });
  if (lists.size() > 1)
    throw format_error(path.string() + ": it has several lists of tensors, at " + places + "; name one");
  if (lists.size() == 1) return detail::averages_in_order(file, lists[0], options.order);
  return detail::named_averages(file, options.at);
}

}  // namespace modelgrow::inline v0
