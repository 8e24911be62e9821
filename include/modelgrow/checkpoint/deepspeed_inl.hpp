// SPDX-License-Identifier: MIT
// The definitions of deepspeed.hpp.
#pragma once
#include <algorithm>
#include <set>

#include <modelgrow/checkpoint/deepspeed.hpp>
#include <modelgrow/checkpoint/deepspeed_cut.hpp>
#include <modelgrow/checkpoint/deepspeed_ranks.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

namespace detail {

class DeepSpeedReader {
 public:
  explicit DeepSpeedReader(const std::filesystem::path& path) : files_(DeepSpeedFiles::list(path)) {}

  DeepSpeedState read() {
    std::error_code ignored;
    if (std::filesystem::is_directory(files_.folder / "zero", ignored)) {
      read_models();
      read_universal();
    } else {
      ranks_ = DeepSpeedRanks(files_);
      found_.stage = ranks_.stage;
      found_.ranks = ranks_.all.size();
      read_models();
      found_.stage == 3 ? cut_tensors() : cut_groups();
      join();
    }
    add_others();
    return std::move(found_);
  }

 private:
  [[noreturn]] static void fail(const std::filesystem::path& path, const std::string& what) {
    DeepSpeedRanks::fail(path, what);
  }

  void read_models() {
    if (files_.models.empty()) fail(files_.folder, "it has no model of DeepSpeed (mp_rank_00_model_states.pt)");
    if (found_.stage == 3) DeepSpeedFiles::complete(files_.models, files_.optimizers.size(), "model");
    const std::int64_t* steps = nullptr;
    for (const auto& [rank, path] : files_.models) {
      const auto& file = models_.emplace_back(TorchFile::open(path));
      const auto* value = value_behind(file.root(), {"global_steps"});
      const auto* found = value ? value->get<std::int64_t>() : nullptr;
      if (steps && found && *steps != *found)
        fail(path, "it is of step " + std::to_string(*found) + ", the file of rank 0 of step " +
                       std::to_string(*steps) + "; fetch the files of one save");
      if (rank == 0) steps = found;
    }
    shapes_ = parameter_shapes(value_behind(models_[0].root(), {"param_shapes"}), models_[0].path().string());
    if (!shapes_.empty()) return;
    std::map<std::string, Shape> of_layers;
    for (const auto& [number, path] : files_.layers) {
      const auto& file = layers_.emplace(number, TorchFile::open(path)).first->second;
      for (const auto& [name, tensor] : find_torch_weights(file.root(), "", path.string()).tensors)
        of_layers.emplace(std::to_string(number) + "." + name, tensor.shape);
    }
    for (const auto& one : ranks_.all)
      for (std::size_t g = 0; g < one.slices.size(); ++g) {
        if (shapes_.size() <= g) shapes_.emplace_back();
        for (const auto& [name, place] : one.slices[g]) {
          if (std::ranges::find(shapes_[g], name, &NamedShape::name) != shapes_[g].end()) continue;
          const auto shape = of_layers.find(name);
          if (shape == of_layers.end())
            fail(one.path,
                 "parameter '" + name + "' is in no file of a layer (layer_00-model_states.pt); fetch them, too");
          shapes_[g].push_back({.name = name, .shape = shape->second});
        }
      }
  }

  /// Stages 1 and 2: a group in a row, cut into one piece for each rank, with what the files say of the places.
  void cut_groups() {
    for (const auto& one : ranks_.all)
      for (const auto& slices : one.slices)
        for (const auto& [name, place] : slices) fragments_[name].push_back(place);
  }

  /// Stage 3: every tensor cut into equal pieces, the last ones padded; those of a rank lie one behind the other.
  void cut_tensors() {
    const auto n = std::int64_t(ranks_.all.size());
    std::size_t flat = 0;
    std::int64_t at = 0;
    for (const auto& group : shapes_)
      for (const auto& parameter : group) {
        const std::int64_t all = numel(parameter.shape), piece = zero_piece(all, n);
        const auto& flats = ranks_.all[0].weights->tensors();
        while (flat < flats.size() && at + piece > flats[flat].shape[0]) {
          ++flat;
          at = 0;
        }
        if (flat == flats.size()) fail(ranks_.all[0].path, "it has no place for parameter '" + parameter.name + "'");
        for (std::int64_t r = 0; r < n; ++r)
          fragments_[parameter.name].push_back({.rank = std::size_t(r),
                                                .flat = flat,
                                                .start = at,
                                                .size = std::clamp<std::int64_t>(all - r * piece, 0, piece)});
        at += piece;
      }
  }

  JoinedTensor joined(const NamedShape& about, const std::vector<Fragment>& fragments, const std::string& what,
                      const std::function<JoinedTensor(const Fragment&)>& flat_of) const {
    std::vector<TensorPart> parts;
    std::int64_t at = 0;
    DType type = about.dtype;
    for (const auto& f : fragments) {
      const auto flat = flat_of(f);
      if (f.start < 0 || f.size < 0 || f.size > numel(flat.shape()) || f.start > numel(flat.shape()) - f.size)
        fail(ranks_.all[f.rank].path, what + " of '" + about.name + "' should be " + std::to_string(f.size) +
                                          " numbers from " + std::to_string(f.start) + " on, and there are " +
                                          std::to_string(numel(flat.shape())) + "; fetch the files of one save");
      type = flat.dtype();
      if (f.size == 0) continue;
      const auto& whole = flat.parts()[0];
      parts.push_back({.offset = {at},
                       .shape = {f.size},
                       .data = whole.data + std::size_t(f.start) * std::size_t(bits(type)) / 8,
                       .memory = whole.memory,
                       .file = whole.file});
      at += f.size;
    }
    return JoinedTensor({.name = about.name, .dtype = type, .shape = about.shape}, JoinedTensor::Parts::flat,
                        std::move(parts), files_.folder.string() + ": " + what);
  }

  void join() {
    auto& optimizer = found_.optimizer;
    optimizer.source = files_.folder.string();
    optimizer.joined = true;
    const auto& first = ranks_.all[0].state;
    std::vector<std::size_t> group_of(first.parameters.size());  // of flat tensors, of which a group may have several
    for (std::size_t g = 0; g < first.groups.size(); ++g) {
      optimizer.groups.push_back({.options = first.groups[g].options});
      for (const auto flat : first.groups[g].parameters) group_of[flat] = g;
    }
    for (const auto& row : shapes_)
      for (const auto& parameter : row) {
        const auto it = fragments_.find(parameter.name);
        if (it == fragments_.end()) fail(files_.folder, "no rank has a part of parameter '" + parameter.name + "'");
        found_.weights.push_back(joined(parameter, it->second, "the weights", [&](const Fragment& f) {
          return JoinedTensor("", ranks_.all[f.rank].weights, ranks_.all[f.rank].weights->tensors()[f.flat]);
        }));
        optimizer.groups[group_of.at(it->second[0].flat)].parameters.push_back(optimizer.parameters.size());
        auto& entries = optimizer.parameters.emplace_back(StoredOptimizer::Parameter{.name = parameter.name}).entries;
        for (const auto& entry : first.parameters.at(it->second[0].flat).entries) {
          if (entry.tensor.shape().rank() == 0) {
            entries.push_back(entry);
            continue;
          }
          entries.push_back({.name = entry.name,
                             .tensor = joined(parameter, it->second, "'" + entry.name + "'", [&](const Fragment& f) {
                               return ranks_.all[f.rank].state.parameters.at(f.flat).find(entry.name)->tensor;
                             })});
        }
      }
    optimizer.tell();
  }

  void read_universal() {
    auto& optimizer = found_.optimizer;
    optimizer.source = files_.folder.string();
    const auto common = TorchFile::open(files_.folder / "zero" / "optimizer_state.pt");
    const auto* options = sequence(value_behind(common.root(), {"param_groups"}));
    const auto* state = value_behind(common.root(), {"optimizer_state_dict"});
    if (!state) state = value_behind(common.root(), {"base_optimizer_state"});
    std::optional<StoredOptimizer> counters;
    if (state && state->get<PickleDict>() && is_optimizer_state(*state->get<PickleDict>()))
      counters = stored_optimizer(common, *state->get<PickleDict>(), common.path().string());
    for (std::size_t g = 0; g < shapes_.size(); ++g) {
      auto& group = optimizer.groups.emplace_back();
      if (options && g < options->size() && (*options)[g].get<PickleDict>())
        group.options = *(*options)[g].get<PickleDict>();
      for (const auto& parameter : shapes_[g]) {
        group.parameters.push_back(optimizer.parameters.size());
        auto& entries = optimizer.parameters.emplace_back(StoredOptimizer::Parameter{.name = parameter.name}).entries;
        read_universal(parameter, entries);
        if (counters && g < counters->parameters.size())
          for (const auto& entry : counters->parameters[g].entries)
            if (entry.tensor.shape().rank() == 0) entries.push_back(entry);
      }
    }
    optimizer.tell();
  }

  /// The folder of one parameter: a flat tensor for each entry.
  void read_universal(const NamedShape& parameter, std::vector<StoredOptimizer::Entry>& entries) {
    const auto folder = files_.folder / "zero" / parameter.name;
    std::error_code ignored;
    if (!std::filesystem::exists(folder / "fp32.pt", ignored))
      throw io_error("cannot read '" + files_.folder.string() + "': parameter '" + parameter.name + "' has no zero/" +
                     parameter.name + "/fp32.pt; fetch the rest");
    for (const auto& entry : list_folder(folder)) {
      if (!entry.name.ends_with(".pt")) continue;
      const auto file = TorchFile::open(folder / entry.name);
      const auto* inner = value_behind(file.root(), {"param"});
      const auto tensor = tensor_of(inner ? *inner : file.root());
      if (!tensor || numel(tensor->shape) != numel(parameter.shape))
        fail(file.path(), "it is " + (tensor ? "of shape " + to_string(tensor->shape) : file.root().kind()) +
                              "; parameter '" + parameter.name + "' has shape " + to_string(parameter.shape));
      const auto flat = std::make_shared<const MappedTensors>(file.tensors({{parameter.name, *tensor}}));
      auto view = flat->tensors()[0];
      view.shape = parameter.shape;
      const auto name = entry.name.substr(0, entry.name.size() - 3);
      if (name == "fp32")
        found_.weights.emplace_back(parameter.name, flat, view);
      else
        entries.push_back({.name = name, .tensor = JoinedTensor(name, flat, view)});
    }
  }

  /// Frozen parameters, buffers and second names, from the files of the model.
  void add_others() {
    std::map<std::pair<std::string, std::int64_t>, std::string> owner;  // storage and offset
    std::set<std::string> have;
    for (const auto& w : found_.weights) have.insert(w.name());
    for (const auto& [number, file] : layers_) {
      auto tensors = find_torch_weights(file.root(), "", file.path().string()).tensors;
      for (auto& [name, tensor] : tensors) name = std::to_string(number) + "." + name;
      add_stored(file, tensors, have);
    }
    const auto* module = value_behind(models_[0].root(), {"module"});
    const auto* dict = module ? module->get<PickleDict>() : nullptr;
    std::vector<TorchFile::Named> others;
    for (int pass = 0; dict && pass < 2; ++pass)  // the trained first
      for (const auto& item : dict->items) {
        const auto* name = item.key.get<std::string>();
        const auto tensor = tensor_of(item.value);
        if (!name || !tensor || have.contains(*name) != (pass == 0)) continue;
        const auto [it, first] = owner.emplace(std::pair(tensor->storage->name(), tensor->offset), *name);
        if (pass == 0) continue;
        if (!first)
          found_.tied.emplace_back(*name, it->second);
        else
          others.emplace_back(*name, *tensor);
      }
    if (found_.stage == 3 || found_.ranks == 0) join_frozen(others);
    add_stored(models_[0], others, have);
  }

  void add_stored(const TorchFile& file, const std::vector<TorchFile::Named>& tensors, std::set<std::string>& have) {
    const auto views = std::make_shared<const MappedTensors>(file.tensors(tensors));
    for (const auto& view : views->tensors())
      if (have.insert(view.name).second) found_.weights.emplace_back(view.name, views, view);
  }

  /// Stage 3: frozen parameters are cut as trained ones; in the model they have no elements.
  void join_frozen(std::vector<TorchFile::Named>& others) {
    const auto* shapes = value_behind(models_[0].root(), {"frozen_param_shapes"});
    const auto* dict = shapes ? shapes->get<PickleDict>() : nullptr;
    for (std::size_t i = 0; dict && i < dict->items.size(); ++i) {
      const auto* name = dict->items[i].key.get<std::string>();
      const auto shape = size_of(&dict->items[i].value);
      if (!name || !shape) fail(models_[0].path(), "frozen_param_shapes has a parameter without a name or size");
      const std::int64_t all = numel(*shape), n = std::int64_t(models_.size()), piece = zero_piece(all, n);
      NamedShape about{.name = *name, .shape = *shape};
      std::vector<TensorPart> parts;
      for (std::int64_t r = 0; r < n; ++r) {
        const auto& file = models_[std::size_t(r)];
        const auto* value = value_behind(file.root(), {"frozen_param_fragments", *name});
        const auto tensor = value ? tensor_of(*value) : std::nullopt;
        if (!tensor || numel(tensor->shape) != piece)
          fail(file.path(), "its part of the frozen parameter '" + *name + "' is " +
                                (tensor ? "of shape " + to_string(tensor->shape) : "missing") + "; expected " +
                                std::to_string(piece) + " numbers");
        about.dtype = tensor->dtype;
        const auto view = std::make_shared<const MappedTensors>(file.tensors({{*name, *tensor}}));
        const std::int64_t size = std::clamp<std::int64_t>(all - r * piece, 0, piece);
        parts.push_back(
            {.offset = {r * piece}, .shape = {size}, .data = view->tensors()[0].data, .memory = view, .file = view});
      }
      std::erase_if(parts, [](const TensorPart& p) { return p.shape[0] == 0; });
      std::erase_if(others, [&](const auto& other) { return other.first == *name; });
      found_.weights.emplace_back(about, JoinedTensor::Parts::flat, std::move(parts), files_.folder.string());
    }
  }

  DeepSpeedFiles files_;
  DeepSpeedState found_;
  DeepSpeedRanks ranks_;
  std::vector<TorchFile> models_;
  std::map<std::size_t, TorchFile> layers_;
  std::vector<std::vector<NamedShape>> shapes_;
  std::map<std::string, std::vector<Fragment>> fragments_;
};

}  // namespace detail

MODELGROW_INLINE DeepSpeedState read_deepspeed(const std::filesystem::path& path) {
  return detail::DeepSpeedReader(path).read();
}

}  // namespace modelgrow::inline v0
