// SPDX-License-Identifier: MIT
// A whole training run on disk: weights, averages, optimizer and step in one directory that is complete or not there.
// A pipeline has one folder for each of its models, as released pipelines do.
#pragma once
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/detail/atomic_directory.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/train/adamw.hpp>
#include <modelgrow/train/ema.hpp>

namespace modelgrow::inline v0 {

/// Where a run stands.
struct RunState {
  std::int64_t step = 0;  // steps done
  std::uint64_t seed = 0;
  detail::ordered_json options = detail::ordered_json::object();  // for the reader of trainer.json; resuming ignores it
};

/// A described model that only names other models: it has a family but no configuration of its own.
template <class M>
concept Pipeline = requires {
  M::family;
}
&&!requires(const M& m) { m.config; };

namespace detail {
/// Visits the children of a pipeline, but not theirs.
template <class F>
struct Components {
  F f;
  void child(std::string_view name, auto& module) { f(std::string(name), module); }
};

inline void make_directory(const std::filesystem::path& path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (code) throw_io("create the directory", path, code.value());
}
}  // namespace detail

/// Calls f(name, model) for each model of a pipeline; a model by itself has an empty name.
template <class M, class F>
void for_each_component(M& model, F f) {
  if constexpr (Pipeline<std::remove_const_t<M>>) {
    detail::Components<F> components{f};
    std::remove_const_t<M>::describe(model, components);
  } else {
    f(std::string(), model);
  }
}

/// Writes weights, averages (when there are any), optimizer state and configuration of every model of a pipeline.
template <class M, class T, Device D>
void save_models(const std::filesystem::path& directory, const M& model, const AdamW<T, D>& optimizer,
                 const Ema<T, D>* ema) {
  for_each_component(model, [&](const std::string& name, const auto& part) {
    const auto folder = name.empty() ? directory : directory / name;
    const std::string prefix = name.empty() ? "" : name + ".";
    detail::make_directory(folder);
    save(folder / "model.safetensors", part);
    optimizer.save(folder / Checkpoint::optimizer_file, prefix);
    if (ema) ema->save(folder / Checkpoint::ema_file, prefix);
    if constexpr (requires { config_text(part.config); })
      detail::write_file(folder / Checkpoint::config_file, config_text(part.config));
  });
}

/// Reads what save_models() or growth wrote, each part only where there is a file for it: without optimizer state
/// the moments start at zero, without averages they start from the weights. Throws io_error and format_error.
template <class M, class T, Device D>
void load_models(const std::filesystem::path& directory, M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema) {
  for_each_component(model, [&](const std::string& name, auto& part) {
    const auto folder = name.empty() ? directory : directory / name;
    const std::string prefix = name.empty() ? "" : name + ".";
    const Checkpoint file = Checkpoint::open(folder);
    load(part, file);
    if (file.has_optimizer()) optimizer.load(file.optimizer(), part, prefix);
    if (ema && file.has_ema())
      ema->load(file.ema(), part, prefix);
    else if (ema)
      ema->restart(part, optimizer, prefix);
  });
}

/// Saves a run; an older one in the same place is replaced in one step. Throws io_error, and the older one stays.
template <class M, class T, Device D>
void save_run(const std::filesystem::path& directory, const M& model, const AdamW<T, D>& optimizer,
              const Ema<T, D>* ema, const RunState& state) {
  detail::AtomicDirectory fresh(directory, Existing::replace);
  save_models(fresh.path(), model, optimizer, ema);
  const detail::ordered_json trainer{{"step", state.step}, {"seed", state.seed}, {"options", state.options}};
  detail::write_file(fresh.path() / "trainer.json", trainer.dump(2) + "\n");
  fresh.commit();
}

/// Step, seed and options of a saved run. Throws io_error (no such run) and format_error.
inline RunState read_run_state(const std::filesystem::path& directory) {
  const auto path = directory / "trainer.json";
  const auto json = detail::parse_json<detail::ordered_json>(detail::read_file(path), path.string());
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer() || json["step"] < 0 ||
      !json.contains("seed") || !json["seed"].is_number_unsigned())
    throw format_error(path.string() + ": expected an object with the whole numbers 'step' and 'seed'");
  return RunState{.step = json["step"].get<std::int64_t>(),
                  .seed = json["seed"].get<std::uint64_t>(),
                  .options = json.value("options", detail::ordered_json::object())};
}

/// Restores a whole run so that it goes on bit for bit. Throws io_error and format_error; a run is either restored
/// completely or the program must not go on with the model.
template <class M, class T, Device D>
RunState load_run(const std::filesystem::path& directory, M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema) {
  RunState state = read_run_state(directory);
  for_each_component(model, [&](const std::string& name, auto&) {
    const auto folder = name.empty() ? directory : directory / name;
    for (const auto file : {Checkpoint::optimizer_file, Checkpoint::ema_file})
      if (std::error_code ignored;
          (ema || file != Checkpoint::ema_file) && !std::filesystem::exists(folder / file, ignored))
        throw io_error("cannot resume from '" + directory.string() + "': " + (folder / file).string() +
                       " is missing; restore it, or start a new run from these weights");
  });
  load_models(directory, model, optimizer, ema);
  return state;
}

}  // namespace modelgrow::inline v0
