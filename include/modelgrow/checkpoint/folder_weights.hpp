// SPDX-License-Identifier: MIT
// Which file of a folder holds its weights. Where loaders disagree, nobody is right: a folder with two sets is refused.
#pragma once
#include <array>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/folder.hpp>
#include <modelgrow/detail/posix.hpp>

namespace modelgrow::inline v0::detail {

[[noreturn]] inline void no_weights(const std::filesystem::path& folder, const std::string& what) {
  throw io_error("cannot open '" + folder.string() + "' as a checkpoint: " + what);
}

inline std::string quoted_list(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& n : names) text.append(text.empty() ? "'" : ", '").append(n).append("'");
  return text;
}

/// Why a folder has no weights: what lies there instead.
inline std::string instead_of_weights(const std::filesystem::path& folder, const std::vector<FolderFile>& files) {
  std::vector<std::string> shards, unfinished, adapters, distributed;
  bool deepspeed = false;
  for (const auto& f : files) {
    if (f.name.ends_with(".distcp")) distributed.push_back(f.name);
    deepspeed |= f.name.ends_with("_model_states.pt");
    if (f.role == FileRole::shard) shards.push_back(f.name);
    if (f.role == FileRole::unfinished) unfinished.push_back(f.name);
    if (f.role == FileRole::adapter && f.name.ends_with(".safetensors")) adapters.push_back(f.name);
  }
  if (!unfinished.empty()) return "its download has not ended (" + quoted_list(unfinished) + "); fetch the rest";
  if (!shards.empty())
    return "it has shards (" + quoted_list(shards) + ") and no index that lists them; fetch the .index.json, too";
  if (!adapters.empty())
    return "it holds an adapter (" + quoted_list(adapters) +
           ") and not the weights that it belongs to; merge the two (fuse_lora in diffusers, merge_and_unload in peft)";
  if (!distributed.empty())
    return "it holds a distributed checkpoint (" + quoted_list(distributed) +
           "); join it with torch.distributed.checkpoint.format_utils.dcp_to_torch_save, and give the file that "
           "this writes";
  if (deepspeed)
    return "it holds one step of a run of DeepSpeed; give the folder above it, whose file 'latest' names the step";
  for (const char* inside : {"transformer", "unet"})
    if (std::error_code ignored; std::filesystem::is_directory(folder / inside, ignored))
      return "it has no .safetensors or torch file; give '" + (folder / inside).string() + "'";
  return "it has no .safetensors or torch file; give the directory that holds model.safetensors";
}

/// The folder of the model of a run that is_run().
inline constexpr std::string_view model_of_run = "transformer";

/// Whether a folder is a run that keeps its model in a folder, and the state of its optimizers beside it, as trainers
/// with hooks for saving do.
inline bool is_run(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder / model_of_run, ignored) ||
      std::filesystem::exists(folder / "model_index.json", ignored))
    return false;
  bool state = false;
  for (const auto& f : list_folder(folder)) {
    state |= f.role == FileRole::foreign_optimizer;
    if (f.role == FileRole::weights || f.role == FileRole::variant || f.role == FileRole::shard ||
        f.role == FileRole::pickle)
      return false;
  }
  return state;
}

/// The only torch file of a folder without .safetensors files, or the index of its shards; averages where there is no
/// other; empty where there is none, or where a download has not ended.
inline std::string pickle_in(const std::filesystem::path& folder, const std::vector<FolderFile>& files) {
  std::vector<std::string> found, averages;
  for (const auto& f : files) {
    if (f.role == FileRole::unfinished || (f.role == FileRole::shard && f.name.ends_with(".safetensors"))) return {};
    if (f.role == FileRole::pickle) found.push_back(f.name);
    if (f.role == FileRole::average && has_pickle_ending(f.name)) averages.push_back(f.name);
  }
  if (found.empty()) found = std::move(averages);
  if (found.size() > 1)
    no_weights(folder, "it has several torch files, " + quoted_list(found) +
                           "; name one (CheckpointOptions::weights, --weights), or give its path");
  return found.empty() ? std::string() : found[0];
}

/// The folders of a run that is two distributed checkpoints, one of the weights and one of the optimizers.
inline constexpr std::string_view model_of_two = "model";
inline constexpr std::string_view optimizer_of_two = "optim";

inline bool has_metadata(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::exists(folder / ".metadata", ignored);
}

/// Which of them a folder has; none where it has no weights in such a folder, or is a distributed checkpoint itself.
inline std::vector<std::string> two_in(const std::filesystem::path& folder) {
  if (has_metadata(folder) || !has_metadata(folder / model_of_two)) return {};
  std::vector<std::string> found{std::string(model_of_two)};
  if (std::error_code ignored; std::filesystem::is_directory(folder / optimizer_of_two, ignored))
    found.emplace_back(optimizer_of_two);
  return found;
}

/// Whether files hold what each rank had: the parts of tensors, as the safetensors writer of torch's distributed
/// checkpoints leaves them.
inline bool are_of_ranks(const std::vector<std::string>& names) {
  return std::ranges::all_of(names, [](const std::string& n) { return n.starts_with("shard-"); });
}
inline constexpr std::string_view join_ranks =
    "which hold parts of tensors; join them (enable_consolidation of torch's HuggingFaceStorageWriter)";

/// The file or index in a folder. Throws io_error where there is none, or more than one.
inline std::filesystem::path weights_in(const std::filesystem::path& folder) {
  constexpr std::array<std::pair<const char*, const char*>, 4> known{{
      {"model.safetensors", "transformers, even beside an index"},
      {"model.safetensors.index.json", "transformers, when there is no single file"},
      {"diffusion_pytorch_model.safetensors", "diffusers, when there is no index"},
      {"diffusion_pytorch_model.safetensors.index.json", "diffusers, even beside a single file"},
  }};
  const auto files = list_folder(folder);
  const auto find = [&](std::string_view name) {
    return std::any_of(files.begin(), files.end(), [&](const auto& f) { return f.name == name; });
  };
  std::vector<std::string> sets;
  std::string readers;
  for (const auto& [name, reader] : known)
    if (find(name)) {
      sets.emplace_back(name);
      readers.append(readers.empty() ? "'" : ", '").append(name).append("' (read by ").append(reader).append(")");
    }
  if (sets.size() == 1) return folder / sets[0];
  if (sets.size() > 1)
    no_weights(folder, "it has several sets of weights, " + readers +
                           "; remove the old one, or name one (CheckpointOptions::weights, --weights)");
  std::vector<std::string> indices, singles;
  for (const auto& f : files)
    if (f.role == FileRole::weights || f.role == FileRole::variant ||
        (f.role == FileRole::shard && f.name.ends_with("-00001-of-00001.safetensors")))
      (f.index ? indices : singles).push_back(f.name);
  for (const auto& f : files)
    if (f.index && f.role == FileRole::weights && find(f.stem + ".safetensors"))
      no_weights(folder, "it has '" + f.stem + ".safetensors' and '" + f.name +
                             "', and loaders differ in which they read; remove the old one, or name one "
                             "(CheckpointOptions::weights, --weights)");
  const auto& found = indices.empty() ? singles : indices;
  if (found.size() == 1) return folder / found[0];
  if (found.size() > 1 && are_of_ranks(found))
    no_weights(folder, "it has the files of single ranks, " + quoted_list(found) + ", " + std::string(join_ranks));
  if (found.empty() && find(".metadata")) return folder / ".metadata";  // of a distributed checkpoint
  if (std::error_code ignored; found.empty() && std::filesystem::is_regular_file(folder / "latest", ignored))
    return folder / "latest";  // of a run of DeepSpeed
  if (found.empty() && !two_in(folder).empty()) return folder / model_of_two / ".metadata";
  if (std::error_code ignored; found.empty() && std::filesystem::is_directory(folder / model_of_two, ignored) &&
                               has_metadata(folder / optimizer_of_two))
    no_weights(folder,
               "its optimizers in 'optim' are a distributed checkpoint, and its weights in 'model' are none, as "
               "'model/.metadata' is missing; fetch it, or save both so (model_save_format: torch_save in NeMo "
               "AutoModel), or give the folder of the weights to grow without moments");
  if (const auto pickle = found.empty() ? pickle_in(folder, files) : std::string(); !pickle.empty())
    return folder / pickle;
  no_weights(folder, found.empty() ? instead_of_weights(folder, files)
                                   : "it has several sets of weights, " + quoted_list(found) +
                                         "; name one (CheckpointOptions::weights, --weights), or give its path");
}

/// The named file of a folder, which it does not leave. Throws io_error.
inline std::filesystem::path weights_in(const std::filesystem::path& folder, const std::string& name) {
  const auto relative = std::filesystem::path(name).is_absolute()
                            ? std::filesystem::path(name).lexically_normal().lexically_relative(
                                  std::filesystem::absolute(folder).lexically_normal())
                            : std::filesystem::path(name).lexically_normal();
  if (relative.empty() || *relative.begin() == ".." || *relative.begin() == ".")
    throw io_error("cannot open '" + name + "' as the weights of '" + folder.string() +
                   "': it is not in that folder; give the name of a file of the folder");
  return folder / relative;
}

}  // namespace modelgrow::inline v0::detail
