// SPDX-License-Identifier: MIT
// A checkpoint folder written anew: its weights in another form, and what is of the same model along with them.
#pragma once
#include <algorithm>

#include <modelgrow/checkpoint/folder_weights.hpp>
#include <modelgrow/checkpoint/rewrite.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/detail/atomic_directory.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/grow/back_to_torch.hpp>
#include <modelgrow/grow/param_groups.hpp>
#include <modelgrow/grow/parts.hpp>

namespace modelgrow::inline v0 {

/// The form of the weights' own file.
enum class WeightsFile { safetensors, torch };

namespace detail {

/// "pytorch_model.bin" for "model.safetensors", as loaders know it; otherwise the same stem.
inline std::string torch_name(const std::string& name) {
  const std::string stem = std::filesystem::path(name).stem().string();
  return (stem == "model" ? "pytorch_model" : stem) + ".bin";
}

/// What a part is called here, whatever the trainer that wrote it calls it.
inline std::string file_name_of(const Part& part) {
  const bool own = !part.torch && !is_one_store(part.in);
  switch (part.kind) {
    case Part::Kind::averaged_model:
      return weights_name(part.in);
    case Part::Kind::averages:
      return std::string(Checkpoint::ema_file);
    case Part::Kind::optimizer:
      return std::string(Checkpoint::optimizer_file);
    default:
      return own ? part.name : "model.safetensors";
  }
}

/// Throws format_error for what a file of optimizer state cannot say.
inline void check_one_optimizer(const Checkpoint& in, const std::vector<Part>& parts) {
  std::vector<std::string> files;
  for (const auto& p : parts)
    if (p.kind == Part::Kind::optimizer) files.push_back(p.name);
  if (files.size() > 1)
    throw format_error(
        in.path().string() + ": it has state of several optimizers, " + quoted_list(files) +
        ", and one file cannot tell whose is whose; leave all but one behind (StateOptions, --leave-behind)");
  const auto groups = in.state_folder() / ParamGroups::file;
  if (std::error_code ignored; !files.empty() && std::filesystem::exists(groups, ignored))
    throw format_error(groups.string() +
                       ": the run has rates for each group of parameters, which would be lost; leave '" + files[0] +
                       "' behind (StateOptions, --leave-behind)");
}

/// Throws format_error where there is no state that goes back to torch.
inline void check_own_state(const Checkpoint& in, const std::vector<Part>& parts) {
  for (const auto& p : parts)
    if (p.kind == Part::Kind::optimizer && !p.torch) return;
  throw format_error(in.path().string() + ": it has no " + std::string(Checkpoint::optimizer_file) +
                     ", whose state would go back to torch; convert without a run of torch (--like)");
}

/// The state of a run as the optimizer of a run of torch has it.
inline Rewritten write_like(const Checkpoint& state, const Checkpoint& run, const TorchState& like, const Rewrite& how,
                            const std::filesystem::path& folder) {
  const auto as = back_to_torch(run, like.state, how.rename);
  write_torch_optimizer(folder / like.file, as, Existing::refuse, {.progress = how.progress});
  Rewritten done;
  for (const auto& t : state.tensors()) done.bytes += t.bytes;
  for (const auto& p : as.parameters) done.tensors += std::int64_t(p.entries.size());
  return done;
}

/// Names of optimizer state follow those of the parameters.
inline std::function<std::string(const std::string&)> renaming_of(const Part& part, const Rewrite& how) {
  if (!how.rename || part.kind != Part::Kind::optimizer) return how.rename;
  return [rename = how.rename](const std::string& name) {
    const auto state = parse_state_name(name);
    return state ? state_name(state->optimizer, state->entry, rename(state->parameter)) : name;
  };
}

}  // namespace detail

/// Writes `directory`, all or nothing: the weights as `how` says, variants, averages and optimizer state as safetensors
/// in the types that they have, all under the new names; config.json unless names change, since it goes with the layout
/// of the class. State that torch or accelerate saved, alone or in a distributed checkpoint, becomes that of this
/// library, with which its trainer goes on; `state` says how it is read. State of this library becomes that of the run
/// of torch `like`, if there is one. The weights come first in the result. Throws what rewrite(), parts_of() and
/// back_to_torch() throw, and format_error for the state of several optimizers.
inline std::vector<Rewritten> rewrite_folder(const Checkpoint& in, const std::filesystem::path& directory,
                                             const Rewrite& how = {}, WeightsFile form = WeightsFile::safetensors,
                                             const StateOptions& state = {},
                                             const std::optional<TorchState>& like = {}) {
  const auto parts = parts_of(in, state);
  detail::check_one_optimizer(in, parts);
  if (like) detail::check_own_state(in, parts);
  detail::AtomicDirectory out(directory, how.existing);
  std::vector<Rewritten> all;
  const auto add_config = [&](const Checkpoint& c, const std::filesystem::path& folder) {
    if (!c.config().empty() && !how.rename) detail::write_file(folder / Checkpoint::config_file, c.config());
  };
  for (const auto& part : parts) {
    const bool own_folder = part.kind == Part::Kind::averaged_model, weights = part.kind == Part::Kind::weights;
    const auto folder = own_folder ? out.path() / part.name : out.path();
    std::filesystem::create_directories(folder);
    if (like && part.kind == Part::Kind::optimizer) {
      all.push_back(detail::write_like(part.in, in, *like, how, folder));
      all.back().path = directory / like->file;
      continue;
    }
    Rewrite as = how;
    as.rename = detail::renaming_of(part, how);
    if (!weights) as.dtype = std::nullopt;
    std::string name = detail::file_name_of(part);
    if (weights && form == WeightsFile::torch) name = detail::torch_name(name);
    auto written = rewrite(part.in, folder / name, as);
    written.path = directory / written.path.lexically_relative(out.path());
    all.push_back(std::move(written));
    if (weights || own_folder) add_config(part.in, folder);
  }
  out.commit();
  return all;
}

}  // namespace modelgrow::inline v0
