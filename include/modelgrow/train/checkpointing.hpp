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

namespace modelgrow::inline v0 {

/// Where a run stands.
struct RunState {
  std::int64_t step = 0;  // steps done
  std::uint64_t seed = 0;
  std::string options = "{}";  // JSON for the reader of trainer.json; resuming ignores it
};

namespace detail {
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

/// Writes weights, averages (when there are any), optimizer state and configuration of every model of a pipeline.
/// Throws io_error, and error while the averages are in use in place of the weights.
template <class M, class T, Device D>
void save_models(const std::filesystem::path& directory, const M& model, const AdamW<T, D>& optimizer,
                 const Ema<T, D>* ema) {
  if (ema) ema->require_at_rest("save the run");
  for_each_component(model, [&](const std::string& name, const auto& part) {
    const auto folder = name.empty() ? directory : directory / name;
    const std::string prefix = name.empty() ? "" : name + ".";
    detail::make_directory(folder);
    save(folder / "model.safetensors", part);
    optimizer.save(folder / Checkpoint::optimizer_file, prefix);
    if (ema) ema->save(folder / Checkpoint::ema_file, prefix);
    if constexpr (requires { part.config; })  // config_text is declared beside the model: no file without it
      detail::write_file(folder / Checkpoint::config_file, config_text(part.config));
  });
}

/// Reads what save_models() or growth wrote, each part only where there is a file for it: without optimizer state
/// the moments start at zero, without averages they start from the weights. Throws io_error and format_error, also when
/// config.json is that of another model: nothing is loaded then.
template <class M, class T, Device D>
void load_models(const std::filesystem::path& directory, M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema) {
  if (ema) ema->require_at_rest("load a run");
  detail::require_same_configs(directory, model);
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
  if (ema) ema->require_at_rest("save the run");
  detail::AtomicDirectory fresh(directory, Existing::replace);
  save_models(fresh.path(), model, optimizer, ema);
  detail::write_file(fresh.path() / "trainer.json", detail::run_state_text(state));
  fresh.commit();
}

/// Step, seed and options of a saved run. Throws io_error (no such run) and format_error.
RunState read_run_state(const std::filesystem::path& directory);

/// Restores a whole run so that it goes on bit for bit. Throws io_error and format_error; a run is either restored
/// completely or the program must not go on with the model.
template <class M, class T, Device D>
RunState load_run(const std::filesystem::path& directory, M& model, AdamW<T, D>& optimizer, Ema<T, D>* ema) {
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
  load_models(directory, model, optimizer, ema);
  return state;
}

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/train/checkpointing_inl.hpp>
#endif
