// SPDX-License-Identifier: MIT
// The definitions of deepspeed_writer.hpp.
#pragma once
#include <algorithm>
#include <map>
#include <set>

#include <modelgrow/checkpoint/deepspeed.hpp>
#include <modelgrow/checkpoint/deepspeed_cut.hpp>
#include <modelgrow/checkpoint/deepspeed_ranks.hpp>
#include <modelgrow/checkpoint/deepspeed_writer.hpp>
#include <modelgrow/checkpoint/flat_tensor.hpp>
#include <modelgrow/checkpoint/pickle_build.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/checkpoint/torch_rewriter.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

namespace detail {

inline PickleValue dict_value(PickleDict dict) {
  dict.ordered = true;
  return dict;
}

class DeepSpeedWriter {
 public:
  DeepSpeedWriter(const std::filesystem::path& source, const std::vector<DeepSpeedWeight>& weights,
                  const StoredOptimizer& optimizer)
      : files_(DeepSpeedFiles::list(source)), optimizer_(optimizer) {
    if (std::error_code ignored; std::filesystem::is_directory(files_.folder / "zero", ignored))
      refuse("it has the universal form, which is not written");
    if (!files_.layers.empty()) refuse("it is of a pipeline, which is not written");
    const DeepSpeedRanks ranks(files_);
    old_ = read_deepspeed(files_.folder);
    cut_ = {.stage = old_.stage, .ranks = std::int64_t(ranks.all.size())};
    if (cut_.stage < 3)
      check_order(ranks);
    else
      read_row_size(TorchFile::open(files_.optimizers.at(0)).root());
    for (const auto& w : weights) {
      by_name_.emplace(w.tensor.name(), &w);
      by_source_[w.source].push_back(&w);
      if (std::ranges::find(old_.weights, w.source, &JoinedTensor::name) == old_.weights.end())
        throw format_error(files_.folder.string() + ": '" + w.tensor.name() + "' is made of '" + w.source +
                           "', which the run has not; give what it is made of");
    }
    for (const auto& p : optimizer_.parameters) {
      const auto found = by_name_.find(optimizer_.prefix + p.name);
      if (found == by_name_.end())
        throw format_error(optimizer_.source + ": parameter '" + p.name + "' is not among the weights");
      trained_.push_back(&found->second->tensor);
      elements_.push_back(numel(trained_.back()->shape()));
    }
    for (const auto& g : optimizer_.groups) groups_.push_back(g.parameters);
  }

  std::vector<std::filesystem::path> write(const std::filesystem::path& folder) {
    const auto step = files_.folder.filename();
    std::filesystem::create_directories(folder / step);
    std::vector<std::filesystem::path> written{std::filesystem::path(deepspeed_latest)};
    const auto next = [&](const std::filesystem::path& like) {
      return folder / written.emplace_back(step / like.filename());
    };
    for (const auto& [rank, path] : files_.models) write_model(std::int64_t(rank), path, next(path));
    for (const auto& [rank, path] : files_.optimizers) write_rank(std::int64_t(rank), path, next(path));
    write_file(folder / deepspeed_latest, step.string());
    return written;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw format_error(files_.folder.string() + ": " + what +
                       "; write its weights as safetensors (modelgrow convert), and go on with those");
  }

  /// Gradients in turns (round_robin_gradients) and alignment reorder a row or leave gaps in it.
  void check_order(const DeepSpeedRanks& ranks) const {
    for (std::size_t g = 0; g < old_.optimizer.groups.size(); ++g) {
      std::vector<std::string> order;
      bool gaps = false;
      for (const auto& one : ranks.all) {
        std::int64_t here = 0;
        for (const auto& [name, place] : one.slices.at(g)) {
          if (place.size > 0 && (order.empty() || order.back() != name)) order.push_back(name);
          gaps |= place.start != here;
          here += place.size;
        }
      }
      std::vector<std::string> expected;
      for (const auto p : old_.optimizer.groups[g].parameters)
        if (numel(old_.weights[p].shape()) > 0) expected.push_back(old_.optimizer.parameters[p].name);
      if (gaps || order != expected)
        refuse("group " + std::to_string(g) +
               " does not lie in the order of the model, or with gaps (round_robin_gradients, parameter_alignment), "
               "which is not written");
    }
  }

  /// Whether the old run trained a tensor, or has it among some names.
  static bool holds(const PickleValue* dict, const std::string& name) {
    const auto* d = dict ? dict->get<PickleDict>() : nullptr;
    return d && d->find(name);
  }

  // ---- models ----
  void write_model(std::int64_t rank, const std::filesystem::path& from, const std::filesystem::path& to) {
    TorchRewriter file(from);
    auto* root = file.root().edit<PickleDict>();
    const auto* module = root ? root->find("module") : nullptr;
    if (!module || !module->get<PickleDict>()) DeepSpeedRanks::fail(from, "there is no 'module'");
    const auto old = *module->get<PickleDict>();
    const auto* frozen = root->find("frozen_param_shapes");
    PickleDict now{.ordered = old.ordered, .attributes = old.attributes}, shapes, fragments;
    std::map<std::string, PickleValue> of_source;
    for (const auto& item : old.items) {
      const auto* name = item.key.get<std::string>();
      const auto stored = tensor_of(item.value);
      const auto found = name ? by_source_.find(*name) : by_source_.end();
      if (!stored) now.items.push_back(item);
      if (!stored || found == by_source_.end()) continue;
      for (const auto* w : found->second) {
        const bool whole = cut_.stage < 3 || (!is_trained(w->tensor.name()) && !holds(frozen, *name));
        const auto type = stored->dtype;
        auto value = file.add(whole ? converted(w->tensor, type) : none(w->tensor.name(), type));
        of_source.emplace(*name, value);
        now.items.push_back({.key = w->tensor.name(), .value = value});
        if (!holds(frozen, *name)) continue;
        shapes.items.push_back({.key = w->tensor.name(), .value = torch_size(w->tensor.shape())});
        if (cut_.stage == 3) value = file.add(piece(rank, w->tensor));
        fragments.items.push_back({.key = w->tensor.name(), .value = value});
      }
    }
    for (const auto& [second, first] : old_.tied)
      if (const auto found = of_source.find(first); found != of_source.end())
        now.items.push_back({.key = second, .value = found->second});
    root->set("module", std::move(now));
    if (frozen && frozen->get<PickleDict>()) {
      root->set("frozen_param_shapes", dict_value(std::move(shapes)));
      root->set("frozen_param_fragments", dict_value(std::move(fragments)));
    }
    root->set("param_shapes", parameter_shapes_of(cut_.of(0, groups_, elements_)));
    rename_buffers(*root);
    file.write(to);
  }

  bool is_trained(const std::string& name) const {
    return std::ranges::any_of(trained_, [&](const auto* t) { return t->name() == name; });
  }
  static JoinedTensor none(const std::string& name, DType type) {
    return {NamedShape{.name = name, .dtype = type, .shape = {0}}, [](std::uint64_t, std::span<std::byte>) {}};
  }
  /// Of a frozen parameter in stage 3.
  JoinedTensor piece(std::int64_t rank, const JoinedTensor& tensor) const {
    const auto flat = cut_.of(rank, {{0}}, {numel(tensor.shape())})[0];
    return in_a_row(tensor.name(), tensor.dtype(), {&tensor}, flat, flat.size());
  }
  /// Names and shapes of trained parameters, a dictionary for each row.
  PickleValue parameter_shapes_of(const std::vector<ZeroFlat>& flats) const {
    PickleList list;
    for (const auto& row : rows_of(flats)) {
      PickleDict dict;
      for (const auto p : row)
        dict.items.push_back({.key = trained_[p]->name(), .value = torch_size(trained_[p]->shape())});
      list.values.push_back(dict_value(std::move(dict)));
    }
    return list;
  }
  std::vector<std::vector<std::size_t>> rows_of(const std::vector<ZeroFlat>& flats) const {
    if (cut_.stage < 3) return groups_;
    std::vector<std::vector<std::size_t>> rows;
    for (const auto& flat : flats) {
      auto& row = rows.emplace_back();
      for (const auto& s : flat.slices) row.push_back(s.parameter);
    }
    return rows;
  }
  void rename_buffers(PickleDict& root) const {
    const auto* names = sequence(root.find("buffer_names"));
    if (!names) return;
    PickleList now;
    for (const auto& name : *names) {
      const auto* text = name.get<std::string>();
      const auto found = text ? by_source_.find(*text) : by_source_.end();
      if (found == by_source_.end()) {
        now.values.push_back(name);
        continue;
      }
      for (const auto* w : found->second) now.values.emplace_back(w->tensor.name());
    }
    root.set("buffer_names", std::move(now));
  }

  // ---- ranks ----
  void write_rank(std::int64_t rank, const std::filesystem::path& from, const std::filesystem::path& to) {
    TorchRewriter file(from);
    const auto flats = cut_.of(rank, groups_, elements_);
    const auto add = [&](const JoinedTensor& tensor) { return file.add(tensor); };
    auto* state = file.root().edit<PickleDict>()->find("optimizer_state_dict")->share<PickleDict>().get();
    PickleList weights;
    for (const auto& flat : flats) {
      const bool last = cut_.stage < 3 && rank == cut_.ranks - 1;
      weights.values.push_back(
          add(in_a_row("weights", DType::f32, trained_, flat, flat.size() - (last ? flat.padding() : 0))));
    }
    state->set(cut_.stage == 3 ? "optimizer_state_dict" : "base_optimizer_state",
               torch_optimizer_tree(flat_state(flats), add));
    state->set(cut_.stage == 3 ? "fp32_flat_groups" : "single_partition_of_fp32_groups", std::move(weights));
    if (cut_.stage < 3) set_places(*state, rank, flats);
    file.write(to);
  }

  /// How large a row of stage 3 may become.
  void read_row_size(const PickleValue& root) {
    const auto* size = value_behind(root, {"ds_config", "zero_optimization", "sub_group_size"});
    if (const auto* number = size ? size->get<std::int64_t>() : nullptr) cut_.row = *number;
    if (const auto* number = size ? size->get<double>() : nullptr) cut_.row = std::int64_t(*number);
  }

  void set_places(PickleDict& state, std::int64_t rank, const std::vector<ZeroFlat>& flats) const {
    PickleList paddings, alignments, counts, places;
    for (const auto& flat : flats) {
      paddings.values.emplace_back(rank == cut_.ranks - 1 ? flat.padding() : std::int64_t{0});
      counts.values.emplace_back(cut_.ranks);
      alignments.values.emplace_back(
          PickleList{.values = std::vector<PickleValue>(groups_[flat.group].size(), PickleValue(0))});
      PickleDict dict;
      std::int64_t at = 0;
      for (const auto& s : flat.slices) {
        if (s.size > 0)
          dict.items.push_back({.key = trained_[s.parameter]->name(),
                                .value = PickleObject{.type = {"deepspeed.utils.tensor_fragment", "fragment_address"},
                                                      .allocated = true,
                                                      .state = attributes({{"numel", s.size}, {"start", at}})}});
        at += s.size;
      }
      places.values.push_back(dict_value(std::move(dict)));
    }
    state.set("group_paddings", std::move(paddings));
    if (state.find("param_alignment_paddings")) state.set("param_alignment_paddings", std::move(alignments));
    state.set("partition_count", std::move(counts));
    state.set("param_slice_mappings", std::move(places));
  }

  /// A parameter for each flat tensor.
  StoredOptimizer flat_state(const std::vector<ZeroFlat>& flats) const {
    StoredOptimizer state{.is = optimizer_.is, .source = optimizer_.source};
    for (const auto& g : optimizer_.groups) state.groups.push_back({.options = g.options});
    const auto rows = rows_of(flats);
    for (std::size_t f = 0; f < flats.size(); ++f) {
      state.groups[flats[f].group].parameters.push_back(state.parameters.size());
      auto& entries = state.parameters.emplace_back().entries;
      const auto& oldest = optimizer_.parameters[oldest_of(rows[f])];
      for (const auto& e : oldest.entries) {
        if (e.tensor.shape().rank() == 0) {
          entries.push_back(e);
          continue;
        }
        std::vector<const JoinedTensor*> tensors(trained_.size());
        for (const auto p : rows[f]) {
          const auto* same = optimizer_.parameters[p].find(e.name);
          if (!same || same->tensor.shape() != trained_[p]->shape())
            throw format_error(optimizer_.source + ": parameter '" + optimizer_.parameters[p].name + "' has no '" +
                               e.name + "' of its size, which others of its group have: they cannot be joined");
          tensors[p] = &same->tensor;
        }
        entries.push_back(
            {.name = e.name, .tensor = in_a_row(e.name, e.tensor.dtype(), tensors, flats[f], flats[f].size())});
      }
    }
    return state;
  }

  /// The parameter that has counted most steps.
  std::size_t oldest_of(const std::vector<std::size_t>& row) const {
    std::size_t oldest = row.at(0);
    double most = -1;
    for (const auto p : row) {
      const auto* step = optimizer_.parameters[p].find("step");
      const double steps = step ? number_of(step->tensor) : 0;
      if (steps > most) oldest = p;
      most = std::max(most, steps);
    }
    return oldest;
  }
  static double number_of(const JoinedTensor& tensor) {
    double value = 0;
    const auto one = converted(tensor, DType::f64);
    one.read(0, std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }

  DeepSpeedFiles files_;
  const StoredOptimizer& optimizer_;
  DeepSpeedState old_;
  ZeroCut cut_;
  std::map<std::string, const DeepSpeedWeight*> by_name_;
  std::map<std::string, std::vector<const DeepSpeedWeight*>> by_source_;
  std::vector<const JoinedTensor*> trained_;  // in the order of the optimizer
  std::vector<std::int64_t> elements_;
  std::vector<std::vector<std::size_t>> groups_;
};

}  // namespace detail

MODELGROW_INLINE std::vector<std::filesystem::path> write_deepspeed(const std::filesystem::path& source,
                                                                    const std::filesystem::path& folder,
                                                                    const std::vector<DeepSpeedWeight>& weights,
                                                                    const StoredOptimizer& optimizer) {
  return detail::DeepSpeedWriter(source, weights, optimizer).write(folder);
}

}  // namespace modelgrow::inline v0
