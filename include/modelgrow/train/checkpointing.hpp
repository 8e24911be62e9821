// SPDX-License-Identifier: MIT
// A whole training run on disk: weights, averages, optimizer and step in one directory that is complete or not there.
// A pipeline has one folder for each of its models, as released pipelines do.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_directory.hpp>
#include <modelgrow/train/adamw.hpp>
#include <modelgrow/train/ema.hpp>
#include <modelgrow/train/parts.hpp>

namespace modelgrow::inline v0 {

/// Where a run stands.
struct RunState {
  std::int64_t step = 0;  // steps done
  std::uint64_t seed = 0;
  std::uint64_t history = 0;   // a checksum of all losses and norms so far; 0: not known
  std::string options = "{}";  // JSON for the reader of trainer.json; resuming ignores it
};

/// Step, seed and options of a saved run. Throws io_error (no such run) and format_error.
RunState read_run_state(const std::filesystem::path& directory);

namespace detail {
inline constexpr std::string_view run_file = "trainer.json";

/// Visits those children that are models themselves: types with a family.
template <class F>
struct Components {
  F f;
  std::int64_t parameters = 0;  // of the model, outside of its components
  void operator()(std::string_view, auto&) { ++parameters; }
  void child(std::string_view name, auto& module) {
    using Child = std::remove_cvref_t<decltype(module)>;
    if constexpr (requires { Child::family; })
      f(std::string(name), module);
    else
      Child::describe(module, *this);
  }
  template <class C>
  void child(std::string_view name, std::optional<C>& module) {
    if (module) child(name, *module);
  }
  template <class C>
  void child(std::string_view name, const std::optional<C>& module) {
    if (module) child(name, *module);
  }
  void stack(std::string_view name, auto& modules, const auto&...) {
    for (auto& m : modules) child(name, m);
  }
  void space(const auto&...) {}
};
template <class M, class F>
std::int64_t visit_components(M& model, F f) {
  Components<F> components{.f = f};
  std::remove_const_t<M>::describe(model, components);
  return components.parameters;
}

void make_directory(const std::filesystem::path& path);
/// The text of trainer.json.
std::string run_state_text(const RunState& state);
/// The mark that all files of a save have; of a run without a history, none.
std::string mark_of(const RunState& state);

/// Takes the marks of files, and throws format_error when two are not of one save. A file without a mark is of any.
class OneSave {
 public:
  void see(const std::filesystem::path& file, const std::string& mark);
  void see(const Checkpoint& checkpoint);

 private:
  std::filesystem::path first_;
  std::string mark_;
};
}  // namespace detail

/// Calls f(name, model) for each model of a pipeline: a model whose children are models. Any other model is visited
/// itself, with an empty name. Throws error for a pipeline with parameters of its own, which no folder would hold.
template <class M, class F>
void for_each_component(M& model, F f) {
  std::int64_t components = 0;
  const std::int64_t own = detail::visit_components(model, [&](const auto&...) { ++components; });
  if (components == 0) return f(std::string(), model);
  if (own > 0)
    throw error("a pipeline of " + std::to_string(components) + " models has " + std::to_string(own) +
                " parameters outside of them; move these into one of its models");
  detail::visit_components(model, f);
}

namespace detail {
/// Throws format_error that names the keys in which the configuration of a file is another than that of the model.
void require_same_config(const std::string& saved, const std::string& here, const std::filesystem::path& file);

/// The same for every model of a pipeline, before anything is loaded: models of equal shapes can be different
/// functions.
template <class M>
void require_same_configs(const std::filesystem::path& directory, const M& model) {
  for_each_component(model, [&](const std::string& name, const auto& part) {
    if constexpr (requires { part.config; }) {
      const auto folder = name.empty() ? directory : directory / name;
      std::string saved = Checkpoint::open(folder).config();
      if (saved.empty()) return;
      const std::string where = (folder / Checkpoint::config_file).string();
      using Config = std::remove_cvref_t<decltype(part.config)>;
      if constexpr (requires(Config c) { Config(), read_config(c, std::string_view(saved), where); }) {
        Config config;
        read_config(config, saved, where);
        saved = config_text(config);  // with the defaults of keys that the file leaves out
      }
      require_same_config(saved, config_text(part.config), where);
    }
  });
}
}  // namespace detail

/// The history of the run in a folder; 0 when that is no run, or does not say.
std::uint64_t history_in(const std::filesystem::path& directory);

namespace detail {
/// Throws format_error when the files of a folder are not of one save, before anything is loaded.
template <class M>
void require_one_save(const std::filesystem::path& directory, const M& model) {
  OneSave all;
  all.see(directory / run_file, mark_of({.history = history_in(directory)}));
  for_each_component(model, [&](const std::string& name, const auto&) {
    const auto part = Checkpoint::open(name.empty() ? directory : directory / name);
    all.see(part);
    if (part.has_optimizer()) all.see(part.optimizer());
    if (part.has_ema()) all.see(part.ema());
  });
}
}  // namespace detail

/// Writes weights, averages (when there are any), optimizer state and configuration of every model of a pipeline. Of
/// several ranks each writes its shards. Throws what TensorFile::save throws, and error while the averages are in use
/// in place of the weights.
template <class M, class T, Device D>
void save_models(const std::filesystem::path& directory, const M& model, const AdamW<T, D>& optimizer,
                 const Ema<T, D>* ema, const Saving& saving = {}) {
  if (ema) ema->require_at_rest("save the run");
  for_each_component(model, [&](const std::string& name, const auto& part) {
    const auto folder = name.empty() ? directory : directory / name;
    const std::string prefix = name.empty() ? "" : name + ".";
    detail::make_directory(folder);
    TensorFile weights;
    for_each_parameter(part, [&](const std::string& path, const auto& p) { weights.add(path, p.value); });
    weights.save(folder / "model.safetensors", {}, saving);
    optimizer.save(folder / Checkpoint::optimizer_file, prefix, saving);
    if (ema) ema->save(folder / Checkpoint::ema_file, prefix, saving);
    if constexpr (requires { part.config; })  // config_text is declared beside the model: no file without it
      if (!saving.ranks || saving.ranks->first())
        detail::write_file(folder / Checkpoint::config_file, config_text(part.config));
  });
}

/// Reads what save_models() or growth wrote, each part only where there is a file for it: without optimizer state
/// the moments start at zero, without averages they start from the weights. Of moments and averages only `rows` are
/// read. Throws io_error and format_error, also when config.json is that of another model, or when files are of
/// different saves: nothing is loaded then.
template <class M, class T, Device D>
void load_models(const std::filesystem::path& directory, M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema,
                 const RowsByPath& rows = {}) {
  if (ema) ema->require_at_rest("load a run");
  detail::require_same_configs(directory, model);
  detail::require_one_save(directory, model);
  for_each_component(model, [&](const std::string& name, auto& part) {
    const auto folder = name.empty() ? directory : directory / name;
    const std::string prefix = name.empty() ? "" : name + ".";
    const Checkpoint file = Checkpoint::open(folder);
    load(part, file);
    if (file.has_optimizer())
      optimizer.load(file.optimizer(), part, prefix, rows);
    else
      optimizer.forget(prefix);
    if (ema && file.has_ema())
      ema->load(file.ema(), part, prefix, rows);
    else if (ema)
      ema->restart(held_parts<T, D>(part, prefix, rows), optimizer, prefix);
  });
}

/// Saves a run; an older one in the same place is replaced in one step, when all ranks have written. Throws io_error,
/// on all ranks, and the older one stays.
template <class M, class T, Device D>
void save_run(const std::filesystem::path& directory, const M& model, const AdamW<T, D>& optimizer,
              const Ema<T, D>* ema, const RunState& state, Saving saving = {}) {
  if (ema) ema->require_at_rest("save the run");
  saving.mark = detail::mark_of(state);
  Ranks alone;
  Ranks& ranks = saving.ranks ? *saving.ranks : alone;
  std::optional<detail::AtomicDirectory> fresh;  // of rank 0
  ranks.together([&] {
    if (ranks.first()) fresh.emplace(directory, Existing::replace);
    const std::filesystem::path folder = ranks.all(fresh ? absolute(fresh->path()).string() : "")[0];
    ranks.meet_in(folder);
    save_models(folder, model, optimizer, ema, saving);
    ranks.all();
    if (!ranks.first()) return;
    ranks.leave();
    detail::write_file(folder / detail::run_file, detail::run_state_text(state));
    fresh->commit();
  });
}

/// Restores a whole run so that it goes on bit for bit, of moments and averages `rows`. Throws io_error and
/// format_error; a run is either restored completely or the program must not go on with the model.
template <class M, class T, Device D>
RunState load_run(const std::filesystem::path& directory, M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema,
                  const RowsByPath& rows = {}) {
  RunState state = read_run_state(directory);
  for_each_component(model, [&](const std::string& name, auto& part) {
    const auto folder = name.empty() ? directory : directory / name;
    const auto require = [&](bool there, std::string_view file) {
      if (!there)
        throw io_error("cannot resume from '" + directory.string() + "': " + (folder / file).string() +
                       " is missing; restore it, or start a new run from these weights");
    };
    const auto saved = Checkpoint::open(folder);
    require(saved.has_optimizer(), Checkpoint::optimizer_file);
    require(!ema || saved.has_ema(), Checkpoint::ema_file);
    if constexpr (requires { part.config; }) require(!saved.config().empty(), Checkpoint::config_file);
  });
  load_models(directory, model, optimizer, ema, rows);
  return state;
}

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/train/checkpointing_inl.hpp>
#endif
