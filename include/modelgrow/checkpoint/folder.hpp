// SPDX-License-Identifier: MIT
// What the files of a checkpoint folder are, told by their names alone: weights and variants, averages, optimizer state
// of this library and of others, adapters, configuration, and the rest. Nothing is opened.
#pragma once
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/core/words.hpp>

namespace modelgrow::inline v0 {

/// What a file or folder beside the weights is.
enum class FileRole : std::uint8_t {
  weights,    ///< a single .safetensors file, or the index of its shards
  shard,      ///< X-00001-of-00003.safetensors, X-00001-of-00003.bin
  variant,    ///< X.fp16.safetensors, X.ema.safetensors, X.safetensors.index.ema.json
  pickle,     ///< X.pt, X.pth, X.bin, X.ckpt, X.pkl, or the index of its shards: weights where no .safetensors file is
  average,    ///< ema.safetensors (or its shards and their index), ema.pt, or a folder with a whole averaged model
  optimizer,  ///< optimizer.safetensors, its shards and their index
  foreign_optimizer,  ///< optimizer.bin, optimizer.pt, distributed or sharded state of other trainers
  training_state,     ///< scheduler.bin, random_states_0.pkl, ...: of other trainers, beside their optimizer
  adapter,            ///< LoRA and other adapters, which are not merged
  unfinished,         ///< X.incomplete, X.part, X.aria2: a download that has not ended
  hidden,             ///< begins with a dot
  config,             ///< config.json
  other,
};

/// One entry of a folder.
struct FolderFile {
  std::string name;
  FileRole role = FileRole::other;
  std::string stem = {};     ///< weights, shards, variants and pickles: what comes before variant and ending
  std::string variant = {};  ///< "ema" of X.ema.safetensors
  bool index = false;        ///< weights, variants and pickles: the index of shards
};

namespace detail {

/// Takes "-00001-of-00003" from the end of a stem.
inline bool strip_shard_number(std::string& stem) {
  const auto of = stem.rfind("-of-");
  if (of == stem.npos || !all_digits(std::string_view(stem).substr(of + 4))) return false;
  const auto dash = stem.rfind('-', of - 1);
  if (of == 0 || dash == stem.npos || !all_digits(std::string_view(stem).substr(dash + 1, of - dash - 1))) return false;
  stem.erase(dash);
  return true;
}

/// Splits "X.safetensors", "X.V.safetensors", "X.safetensors.index.json", "X.safetensors.index.V.json" and numbered
/// shards of both; false for every other name. Only stems that loaders know have variants: "v1.5.safetensors" is one
/// name.
inline bool read_weights_name(FolderFile& f) {
  constexpr std::string_view ending = ".safetensors", index = ".safetensors.index.", json = ".json";
  const auto at = f.name.find(index);
  if (at != f.name.npos && f.name.ends_with(json)) {
    f.stem = f.name.substr(0, at);
    f.index = true;
    const auto begin = at + index.size();  // "json" or "V.json"
    if (f.name.size() > begin + json.size()) f.variant = f.name.substr(begin, f.name.size() - begin - json.size());
  } else if (f.name.ends_with(ending)) {
    f.stem = f.name.substr(0, f.name.size() - ending.size());
    bool numbered = strip_shard_number(f.stem);
    if (const auto dot = f.stem.rfind('.'); !numbered && dot != f.stem.npos) {  // X-00001-of-00002.V
      std::string before = f.stem.substr(0, dot);
      numbered = strip_shard_number(before);
      if (numbered) f.stem = before + f.stem.substr(dot);
    }
    for (const std::string_view known : {"model", "diffusion_pytorch_model"})
      if (f.stem.starts_with(known) && f.stem.substr(known.size()).starts_with('.')) {
        f.variant = f.stem.substr(known.size() + 1);
        f.stem = known;
      }
    if (numbered) {
      f.role = FileRole::shard;
      return true;
    }
  } else {
    return false;
  }
  f.role = f.variant.empty() ? FileRole::weights : FileRole::variant;
  return true;
}

inline constexpr std::string_view pickle_endings[] = {".bin", ".pt", ".pth", ".ckpt", ".pkl"};
inline bool has_pickle_ending(std::string_view name) {
  return std::ranges::any_of(pickle_endings, [&](auto ending) { return name.ends_with(ending); });
}

/// Splits "X.bin", "X.bin.index.json" and numbered shards, with every ending of torch files; false for other names.
inline bool read_pickle_name(FolderFile& f) {
  constexpr std::string_view index = ".index.json";
  std::string_view name = f.name;
  f.index = name.ends_with(index);
  if (f.index) name.remove_suffix(index.size());
  for (const auto ending : pickle_endings) {
    if (!name.ends_with(ending) || name.size() == ending.size()) continue;
    f.stem = name.substr(0, name.size() - ending.size());
    f.role = strip_shard_number(f.stem) ? FileRole::shard : FileRole::pickle;
    return true;
  }
  f.index = false;
  return false;
}

inline bool is_foreign_optimizer(std::string_view name, bool directory) {
  if (directory)  // accelerate's FSDP folders, deepspeed's steps
    return name.starts_with("optimizer_") || name.starts_with("pytorch_optimizer") || name.starts_with("global_step");
  return (name.starts_with("optimizer") && (name.ends_with(".bin") || name.ends_with(".pt"))) ||
         name.find("optim_states") != name.npos || name.ends_with(".distcp");
}

/// What accelerate, the trainer of transformers, SimpleTuner and deepspeed keep beside the optimizer.
inline bool is_training_state(std::string_view name) {
  const auto is = [&](std::string_view stem, std::string_view ending) {
    return name.starts_with(stem) && name.ends_with(ending);
  };
  return is("scheduler", ".bin") || is("scheduler", ".pt") || is("sampler", ".bin") || is("scaler", ".pt") ||
         is("random_states_", ".pkl") || is("rng_state", ".pth") || is("custom_checkpoint_", ".pkl") ||
         is("training_state", ".json") || name == "training_args.bin" || name == "trainer_state.json" ||
         name.ends_with("_model_states.pt");
}

/// Whether state of a trainer is the same for a model of another size: no averages, no weights of a rank.
inline bool goes_along(const FolderFile& f) {
  return f.role == FileRole::training_state && !f.name.starts_with("custom_checkpoint_") &&
         !f.name.ends_with("_model_states.pt");
}

inline bool is_unfinished(std::string_view name) {
  const auto dot = name.rfind('.');
  const auto ending = dot == name.npos ? std::string_view() : name.substr(dot);
  return ending == ".incomplete" || ending == ".part" || ending == ".aria2" || ending == ".crdownload";
}

}  // namespace detail

/// Tells the role of one entry of a folder.
inline FolderFile classify(std::string name, bool directory = false) {
  FolderFile f{.name = std::move(name)};
  if (f.name.starts_with('.')) {
    f.role = FileRole::hidden;
  } else if (detail::is_foreign_optimizer(f.name, directory)) {
    f.role = FileRole::foreign_optimizer;
  } else if (directory) {
    if (f.name == "ema" || f.name.ends_with("_ema")) f.role = FileRole::average;
  } else if (detail::is_training_state(f.name)) {
    f.role = FileRole::training_state;
  } else if (detail::is_unfinished(f.name)) {
    f.role = FileRole::unfinished;
  } else if (f.name == "config.json") {
    f.role = FileRole::config;
  } else if (f.name.starts_with("adapter_") || f.name.starts_with("pytorch_lora_weights")) {
    f.role = FileRole::adapter;
  } else if (detail::read_weights_name(f) && f.variant.empty()) {  // also in shards
    if (f.stem == "plan.fill") f.role = FileRole::other;           // matrices of the plan.json beside it
    if (f.stem == "optimizer") f.role = FileRole::optimizer;
    if (f.stem == "ema") f.role = FileRole::average;
  } else if (f.role == FileRole::other && detail::read_pickle_name(f) && f.role == FileRole::pickle && !f.index &&
             (f.stem == "ema" || f.stem == "ema_model" || f.stem.ends_with("_ema"))) {
    f.role = FileRole::average;
  }
  return f;
}

/// Entries of a folder by name. Throws io_error when it cannot be listed.
inline std::vector<FolderFile> list_folder(const std::filesystem::path& folder) {
  std::error_code failed;
  std::vector<FolderFile> files;
  for (auto it = std::filesystem::directory_iterator(folder, failed); !failed && it != end(it); it.increment(failed)) {
    std::error_code ignored;
    files.push_back(classify(it->path().filename().string(), it->is_directory(ignored)));
  }
  if (failed)
    throw io_error("cannot list '" + folder.string() + "' (" + failed.message() + "); give a folder that can be read");
  std::ranges::sort(files, {}, &FolderFile::name);
  return files;
}

}  // namespace modelgrow::inline v0
