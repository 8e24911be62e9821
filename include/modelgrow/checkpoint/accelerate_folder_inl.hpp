// SPDX-License-Identifier: MIT
// The definitions of accelerate_folder.hpp.
#pragma once
#include <algorithm>
#include <map>

#include <modelgrow/checkpoint/accelerate_folder.hpp>
#include <modelgrow/checkpoint/folder.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// The number in "optimizer.bin" (0), "optimizer_1.bin" (1) or "random_states_0.pkl" (0) behind a stem; nothing for
/// other names.
inline std::optional<std::size_t> numbered(std::string_view name, std::string_view stem, std::string_view ending) {
  if (!name.starts_with(stem) || !name.ends_with(ending) || name.size() < stem.size() + ending.size()) return {};
  auto middle = name.substr(stem.size(), name.size() - stem.size() - ending.size());
  if (middle.empty()) return 0;
  if (middle[0] != '_' || middle.size() == 1 || middle.size() > 6) return {};
  std::size_t number = 0;
  for (const char c : middle.substr(1)) {
    if (c < '0' || c > '9') return {};
    number = 10 * number + std::size_t(c - '0');
  }
  return number;
}

/// Files of one kind in the order of their numbers. Throws format_error where one is left out.
inline std::vector<std::filesystem::path> numbered_files(const std::filesystem::path& folder, std::string_view stem,
                                                         std::initializer_list<std::string_view> endings) {
  std::map<std::size_t, std::filesystem::path> found;
  for (const auto& entry : list_folder(folder))
    for (const auto ending : endings)
      if (const auto number = numbered(entry.name, stem, ending))
        if (!found.emplace(*number, folder / entry.name).second)
          throw format_error(folder.string() + ": both '" + found[*number].filename().string() + "' and '" +
                             entry.name + "' are there; remove the old one");
  std::vector<std::filesystem::path> files;
  for (const auto& [number, file] : found) {
    if (number != files.size())
      throw format_error(folder.string() + ": '" + file.filename().string() + "' is there, and number " +
                         std::to_string(files.size()) + " of its kind is not; fetch the rest, or save again");
    files.push_back(file);
  }
  return files;
}

/// Throws format_error unless a model has tensors of the shapes of all entries that are as large as their parameter.
inline void check_shapes(const StoredOptimizer& optimizer, const Checkpoint& model) {
  std::map<std::vector<std::int64_t>, std::size_t> left;
  for (const auto& t : model.names()) ++left[{t.shape.begin(), t.shape.end()}];
  for (std::size_t i = 0; i < optimizer.parameters.size(); ++i)
    for (const auto& e : optimizer.parameters[i].entries) {
      const auto* known = optimizer.is.kind ? optimizer.is.kind->find(e.name) : nullptr;
      if (!known || known->shape != EntryShape::whole) continue;
      auto& count = left[{e.tensor.shape().begin(), e.tensor.shape().end()}];
      if (count-- == 0)
        throw format_error(optimizer.source + ": entry '" + e.name + "' of parameter " + std::to_string(i) +
                           " has shape " + to_string(e.tensor.shape()) + ", and '" + model.weights_path().string() +
                           "' has no tensor left of that shape; the two are of different saves, or another model is "
                           "trained by it");
      break;
    }
}

/// The model that has all names of a state. Throws format_error for none, and for two.
inline std::size_t model_with_names(const StoredOptimizer& optimizer, const std::vector<Checkpoint>& models) {
  std::vector<std::size_t> found;
  for (std::size_t m = 0; m < models.size(); ++m)
    if (std::ranges::all_of(optimizer.parameters, [&](const auto& p) { return models[m].find(p.name); }))
      found.push_back(m);
  if (found.size() == 1) return found[0];
  throw format_error(optimizer.source + ": its parameters are in " +
                     (found.empty() ? "none of the models" : "each of several models") +
                     " of the folder; give the folder of one model and its optimizer");
}

inline void check_overlap(const std::vector<AccelerateFolder::Trained>& all) {
  std::map<std::pair<std::size_t, std::string>, const StoredOptimizer*> owner;
  for (const auto& t : all)
    for (const auto& p : t.state.parameters)
      if (const auto [it, first] = owner.emplace(std::pair(t.model, p.name), &t.state); !first && !p.name.empty())
        throw format_error(t.state.source + ": parameter '" + p.name + "' is in '" + it->second->source +
                           "', too; two optimizers train it, and which state goes with it nobody knows");
}

}  // namespace detail

MODELGROW_INLINE AccelerateFolder AccelerateFolder::open(const std::filesystem::path& path) {
  AccelerateFolder folder;
  folder.path_ = path;
  folder.models_ = detail::numbered_files(path, "model", {".safetensors", ".safetensors.index.json"});
  if (folder.models_.empty())
    folder.models_ = detail::numbered_files(path, "pytorch_model", {".bin", ".bin.index.json"});
  folder.optimizers_ = detail::numbered_files(path, "optimizer", {".bin", ".pt"});
  folder.schedulers_ = detail::numbered_files(path, "scheduler", {".bin"});
  folder.random_states_ = detail::numbered_files(path, "random_states", {".pkl"});
  folder.registered_ = detail::numbered_files(path, "custom_checkpoint", {".pkl"});
  if (folder.models_.empty() || folder.optimizers_.empty())
    throw format_error(path.string() + ": a folder of accelerate has model.safetensors and optimizer.bin; " +
                       (folder.models_.empty() ? "the first" : "the second") + " is not there");
  return folder;
}

MODELGROW_INLINE std::vector<AccelerateFolder::Trained> AccelerateFolder::trained(
    const std::vector<std::vector<NamedShape>>& orders) const {
  if (!orders.empty() && orders.size() != models_.size())
    throw format_error(path_.string() + ": it has " + std::to_string(models_.size()) + " models and was given " +
                       std::to_string(orders.size()) + " orders of parameters; give one for each");
  std::vector<Checkpoint> models;
  for (const auto& file : models_) models.push_back(Checkpoint::open(file));
  std::vector<Trained> all;
  for (const auto& file : optimizers_) all.push_back({.state = read_torch_optimizer(file)});
  const bool named = std::ranges::all_of(all, [](const Trained& t) { return t.state.has_names(); });
  if (!named && models.size() != 1 && models.size() != all.size())
    throw format_error(path_.string() + ": it has " + std::to_string(models.size()) + " models and " +
                       std::to_string(all.size()) +
                       " optimizers without names, and which trains which nobody knows; save states with param_names");
  std::vector<std::vector<StoredOptimizer*>> of(models.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto& t = all[i];
    t.model = named ? detail::model_with_names(t.state, models) : models.size() == 1 ? 0 : i;
    of[t.model].push_back(&t.state);
    detail::check_shapes(t.state, models[t.model]);
  }
  for (std::size_t m = 0; m < models.size(); ++m) {
    std::size_t held = 0;
    for (const auto* state : of[m]) held += state->parameters.size();
    if (held > models[m].names().size())
      throw format_error(of[m].back()->source + ": the optimizers of '" + models_[m].string() + "' have " +
                         std::to_string(held) + " parameters, and it has " + std::to_string(models[m].names().size()) +
                         " tensors: they overlap, and which state goes with a parameter nobody knows");
    if (!named && !orders.empty() && !of[m].empty()) name_parameters(of[m], orders[m]);
  }
  detail::check_overlap(all);
  return all;
}

}  // namespace modelgrow::inline v0
