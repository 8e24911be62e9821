// SPDX-License-Identifier: MIT
// The definitions of torch_states.hpp.
#pragma once
#include <modelgrow/checkpoint/accelerate_folder.hpp>
#include <modelgrow/checkpoint/folder.hpp>
#include <modelgrow/checkpoint/pickle.hpp>
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/grow/param_groups.hpp>
#include <modelgrow/grow/torch_states.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE std::string or_leave_behind(const std::string& file) {
  return ", or leave it behind (StateOptions::leave_behind, --leave-behind '" + file + "')";
}

/// Files of state of the folder, by name, without those of other models of a folder of accelerate.
inline std::vector<std::string> torch_state_files(const Checkpoint& in, const StateOptions& options) {
  std::vector<std::string> files;
  bool several_models = false;
  for (const auto& f : list_folder(in.state_folder())) {
    several_models |= f.role == FileRole::weights && f.stem == "model_1";
    if (f.role == FileRole::foreign_optimizer && f.name.starts_with("optimizer") &&
        is_torch_file(in.state_folder() / f.name) && !fits_any(f.name, options.leave_behind))
      files.push_back(f.name);
  }
  if (files.empty() || !several_models) return files;
  const auto folder = AccelerateFolder::open(in.path());
  const auto trained = folder.trained();
  std::vector<std::string> of_these;
  for (std::size_t i = 0; i < trained.size(); ++i) {
    const auto name = folder.optimizers()[i].filename().string();
    const auto& model = folder.models()[trained[i].model];
    if (std::ranges::find(files, name) == files.end()) continue;
    if (model == in.weights_path()) of_these.push_back(name);
  }
  return of_these;
}

MODELGROW_INLINE std::vector<NamedShape> trained_order(const Checkpoint& in, const StateOptions& options) {
  std::vector<NamedShape> order;
  const auto add = [&](const std::string& name, const NamedShape& about) {
    if (fits_any(name, options.frozen)) return;
    order.push_back(about);
    order.back().name = name;
  };
  if (options.order.empty() && is_torch_file(in.weights_path()) && in.weights_path().extension() != ".json") {
    for (const auto& t : in.names()) add(t.name, t);
    return order;
  }
  const NamePrefix prefix(std::vector<std::string_view>(options.order.begin(), options.order.end()));
  for (const auto& name : options.order) add(prefix.without(name), in.names().at(prefix.without(name)));
  return order;
}

/// Gives the parameters of a file these names. Throws format_error for another number of them.
inline void give_names(StoredOptimizer& state, const std::vector<std::string>& names) {
  if (names.size() != state.parameters.size())
    throw format_error(state.source + ": it has " + std::to_string(state.parameters.size()) + " parameters, and " +
                       std::to_string(names.size()) +
                       " names were given (param_groups.json is of another save); give the order of the parameters");
  for (std::size_t i = 0; i < names.size(); ++i) state.parameters[i].name = names[i];
}

/// Names without what a wrapper put before them.
inline void take_prefix(StoredOptimizer& state) {
  std::vector<std::string_view> names;
  for (const auto& p : state.parameters) names.push_back(p.name);
  const NamePrefix prefix(names);
  state.prefix = prefix.text();
  for (auto& p : state.parameters) p.name = prefix.without(p.name);
}

/// The tensors of the model that a state has; all of them where it has none.
inline std::vector<NamedShape> trained_of(const StoredOptimizer& state, const Checkpoint& in) {
  std::vector<NamedShape> trained;
  for (const auto& p : state.parameters)
    if (const auto* t = in.names().find(p.name)) trained.push_back(*t);
  if (trained.empty()) trained.assign(in.names().begin(), in.names().end());
  return trained;
}

/// Throws format_error unless the model has the parameters of a state, in their shapes.
inline void check_fits(const StoredOptimizer& state, const Checkpoint& in, const std::string& file) try {
  check_parameters(state, trained_of(state, in));
} catch (const format_error& e) {
  throw format_error(e.what() + or_leave_behind(file));
}

}  // namespace detail

MODELGROW_INLINE std::vector<TorchState> torch_states(const Checkpoint& in, const StateOptions& options,
                                                      Unread& unread) {
  std::vector<TorchState> states;
  const auto known = read_param_groups(in.state_folder());
  const auto word_of = [&](const std::string& file) {
    const auto written = known.find(file);
    return !options.optimizer.empty() || written == known.end() ? options.optimizer : written->second.optimizer;
  };
  for (const auto& file : detail::torch_state_files(in, options)) try {
      auto state = read_torch_optimizer(in.state_folder() / file);
      if (const auto word = word_of(file); !state.is.kind && !word.empty()) state.tell(word);
      if (state.is.kind)
        states.push_back({.file = file, .state = std::move(state)});
      else
        unread[file] = "state of " + state.is.title + ", for which there is no rule: its moments were not moved";
    } catch (const foreign_object_error& e) {
      unread[file] = std::string("its moments were not moved: ") + e.what();
    } catch (const format_error& e) {
      throw format_error(e.what() + detail::or_leave_behind(file));
    }
  std::vector<StoredOptimizer*> nameless;
  for (auto& [file, state] : states) {
    const auto given = options.names.find(file);
    const auto written = known.find(file);
    if (state.has_names()) {
      detail::take_prefix(state);
    } else if (given != options.names.end()) {
      detail::give_names(state, given->second);
    } else if (written != known.end() && options.order.empty()) {
      detail::give_names(state, written->second.parameters);
    } else {
      nameless.push_back(&state);
    }
  }
  if (!nameless.empty()) {
    const auto order = detail::trained_order(in, options);
    if (order.empty())
      throw format_error(
          nameless[0]->source +
          ": it numbers the parameters, and nobody says which is which; give their names in the order of "
          "model.named_parameters() (StateOptions::order, --parameter-order FILE), or save the state of an optimizer "
          "that was made with names, as torch.optim.AdamW(model.named_parameters())" +
          detail::or_leave_behind("optimizer*"));
    name_parameters(nameless, order);
  }
  for (const auto& [file, state] : states) detail::check_fits(state, in, file);
  return states;
}

MODELGROW_INLINE TorchState deepspeed_state(const Checkpoint& in, const StateOptions& options) {
  TorchState found{.file = "optimizer", .state = read_deepspeed(in.store()).optimizer};
  auto& state = found.state;
  if (!state.is.kind && !options.optimizer.empty()) state.tell(options.optimizer);
  const bool unknown = !state.is.kind;
  if (unknown || fits_any(found.file, options.leave_behind))
    throw format_error(state.source + ": " +
                       (unknown ? "it is the state of " + state.is.title + ", for which there is no rule"
                                : "its optimizer was to be left behind") +
                       ", and without its optimizer a run of DeepSpeed cannot be written; write the weights as "
                       "safetensors (modelgrow convert), and grow these");
  detail::take_prefix(state);
  check_parameters(state, detail::trained_of(state, in));
  return found;
}

MODELGROW_INLINE std::vector<TorchState> dcp_states(const DcpFolder& folder, const DcpContents& contents,
                                                    const Checkpoint& in, const StateOptions& options, Unread& unread) {
  std::vector<TorchState> states;
  for (const auto& at : contents.optimizers) {
    if (fits_any(at, options.leave_behind) || fits_any(folder.folder_of(at), options.leave_behind)) {
      unread[at] = "it was to be left behind";
      continue;
    }
    auto state = dcp_optimizer(folder, at);
    if (!state.is.kind && !options.optimizer.empty()) state.tell(options.optimizer);
    if (!state.is.kind) {
      unread[at] = "state of " + state.is.title + ", for which there is no rule: its moments were not moved";
      continue;
    }
    detail::take_prefix(state);
    detail::check_fits(state, in, at);
    states.push_back({.file = at, .state = std::move(state)});
  }
  return states;
}

}  // namespace modelgrow::inline v0
