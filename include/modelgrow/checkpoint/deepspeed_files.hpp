// SPDX-License-Identifier: MIT
// The files in a folder of DeepSpeed, and what is read from each: the shapes of parameters, and the flat parts of a
// rank.
#pragma once
#include <map>
#include <optional>

#include <modelgrow/checkpoint/dcp_metadata.hpp>
#include <modelgrow/checkpoint/deepspeed_step.hpp>
#include <modelgrow/checkpoint/folder_weights.hpp>
#include <modelgrow/checkpoint/pickle_access.hpp>
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/checkpoint/torch_weights.hpp>
#include <modelgrow/detail/atomic_file.hpp>

namespace modelgrow::inline v0::detail {

/// The number between two texts of a name.
inline std::optional<std::size_t> number_between(std::string_view name, std::string_view before,
                                                 std::string_view behind) {
  const auto at = name.find(before);
  if (at == name.npos || !name.ends_with(behind)) return {};
  std::size_t number = 0, i = at + before.size();
  const auto begin = i;
  for (; i < name.size() && name[i] >= '0' && name[i] <= '9' && i - begin < 6; ++i)
    number = 10 * number + std::size_t(name[i] - '0');
  return i > begin && name.substr(i) == behind ? std::optional(number) : std::nullopt;
}

struct DeepSpeedFiles {
  std::filesystem::path folder;
  std::map<std::size_t, std::filesystem::path> optimizers = {}, models = {}, layers = {};

  /// Throws io_error and format_error.
  static DeepSpeedFiles list(const std::filesystem::path& path) {
    DeepSpeedFiles files{.folder = path};
    std::error_code ignored;
    if (std::filesystem::exists(path / deepspeed_latest, ignored)) files.folder = deepspeed_step(path);
    for (const auto& entry : list_folder(files.folder)) {
      const auto& name = entry.name;
      const auto file = files.folder / name;
      if (const auto at = name.find("mp_rank_"); at != name.npos && name.compare(at, 10, "mp_rank_00") != 0)
        throw format_error(file.string() +
                           ": tensors are divided among tensor-parallel ranks, which cannot be read; "
                           "convert the folder to the universal form");
      if (const auto rank = number_between(name, "zero_pp_rank_", "_mp_rank_00_optim_states.pt"))
        files.optimizers.emplace(*rank, file);
      else if (const auto model_rank = number_between(name, "zero_pp_rank_", "_mp_rank_00_model_states.pt"))
        files.models.emplace(*model_rank, file);
      else if (name == "mp_rank_00_model_states.pt")
        files.models.emplace(0, file);
      else if (const auto layer = number_between(name, "layer_", "-model_states.pt"))
        files.layers.emplace(*layer, file);
    }
    return files;
  }

  /// Throws io_error where a rank of 0 to n-1 has no file.
  static void complete(const std::map<std::size_t, std::filesystem::path>& of, std::size_t n, const char* what) {
    for (std::size_t r = 0; r < n; ++r)
      if (!of.contains(r))
        throw io_error("cannot read '" + of.begin()->second.parent_path().string() + "': the " + what + " of rank " +
                       std::to_string(r) + " of " + std::to_string(n) + " is missing; fetch it, too");
  }
};

/// Names and shapes of the trained parameters, group by group (param_shapes); nothing where the file has none.
inline std::vector<std::vector<NamedShape>> parameter_shapes(const PickleValue* value, const std::string& where) {
  std::vector<std::vector<NamedShape>> groups;
  const auto* list = sequence(value);
  for (std::size_t g = 0; list && g < list->size(); ++g) {
    auto& group = groups.emplace_back();
    const auto* dict = (*list)[g].get<PickleDict>();
    if (!dict) throw format_error(where + ": param_shapes has " + (*list)[g].kind() + "; expected dictionaries");
    for (const auto& item : dict->items) {
      const auto* name = item.key.get<std::string>();
      const auto shape = size_of(&item.value);
      if (!name || !shape) throw format_error(where + ": param_shapes has a parameter without a name or size");
      group.push_back({.name = *name, .shape = *shape});
    }
  }
  return groups;
}

/// Tensors of a list, one for each group, as views of the file.
inline std::shared_ptr<const MappedTensors> flat_tensors(const TorchFile& file, const PickleValue* value,
                                                         const std::string& key) {
  const auto* list = sequence(value);
  if (!list) throw format_error(file.path().string() + ": there is no list '" + key + "'; it is no file of ZeRO");
  std::vector<TorchFile::Named> named;
  for (std::size_t g = 0; g < list->size(); ++g) {
    const auto tensor = tensor_of((*list)[g]);
    if (!tensor || tensor->shape.rank() != 1)
      throw format_error(file.path().string() + ": '" + key + "' has " + (*list)[g].kind() + " for group " +
                         std::to_string(g) + "; expected a flat tensor");
    named.emplace_back(std::to_string(g), *tensor);
  }
  return std::make_shared<const MappedTensors>(file.tensors(named));
}

}  // namespace modelgrow::inline v0::detail
