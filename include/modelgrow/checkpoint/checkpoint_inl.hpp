// SPDX-License-Identifier: MIT
// The definitions of checkpoint.hpp.
#pragma once
#include <algorithm>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/dcp_contents.hpp>
#include <modelgrow/checkpoint/deepspeed.hpp>
#include <modelgrow/checkpoint/deepspeed_step.hpp>
#include <modelgrow/checkpoint/folder_weights.hpp>
#include <modelgrow/checkpoint/shard_index.hpp>
#include <modelgrow/checkpoint/torch_weights.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_file.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE Checkpoint Checkpoint::open(const std::filesystem::path& path, const CheckpointOptions& options) {
  std::error_code ignored;
  Checkpoint c;
  c.path_ = folder_of(path, options);
  if (detail::is_run(path) && c.path_ == path / detail::model_of_run) c.run_ = path;
  if (std::filesystem::is_directory(c.path_, ignored)) {
    c.weights_ = options.weights.empty() ? detail::weights_in(c.path_) : detail::weights_in(c.path_, options.weights);
    if (std::filesystem::exists(c.path_ / config_file, ignored)) c.read_config();
    c.has_optimizer_ = std::filesystem::exists(c.beside(optimizer_file), ignored);
    c.has_ema_ = std::filesystem::exists(c.beside(ema_file), ignored);
  } else {
    if (!options.weights.empty())
      throw io_error("cannot open '" + options.weights + "' in '" + path.string() +
                     "': that is no directory; give the directory, or the file alone");
    c.weights_ = path;
  }
  std::vector<NamedShape> unknown;
  if (c.weights_.extension() == ".json")
    unknown = c.open_index(options);
  else
    c.open_file(options);
  c.take_files();
  if (c.metadata_.contains("DCP_SHARDING_INFO"))
    throw format_error(c.weights_.string() + ": it is one of the files of single ranks, " +
                       std::string(detail::join_ranks));
  if (const auto it = c.metadata_.find("config"); c.config_.empty() && it != c.metadata_.end()) c.config_ = it->second;
  c.name_tensors(std::move(unknown));
  return c;
}

MODELGROW_INLINE Checkpoint Checkpoint::of(const std::filesystem::path& path, MappedTensors tensors) {
  Checkpoint c;
  c.path_ = c.weights_ = path;
  c.files_.push_back(std::move(tensors));
  c.take_files();
  c.name_tensors({});
  return c;
}

MODELGROW_INLINE void Checkpoint::take_files() {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const MappedTensors& f = files_[i];
    for (const auto& part : f.memory()) memory_.emplace(part.data(), Memory{.file = i, .bytes = part.size()});
    tensors_.insert(tensors_.end(), f.tensors().begin(), f.tensors().end());
    metadata_.insert(f.metadata().begin(), f.metadata().end());
    const std::string entry(save_mark);
    const auto mark = f.metadata().find(entry);
    if (mark != f.metadata().end() && mark->second != metadata_.at(entry))
      throw format_error(f.path().string() + ": its '" + entry + "' is " + mark->second + ", that of other files of " +
                         weights_.filename().string() + " " + metadata_.at(entry) +
                         ": they are of different steps or runs; restore the files of one save");
  }
}

MODELGROW_INLINE const TensorView* Checkpoint::find(std::string_view name) const {
  const auto* entry = names_.find(prefix_.without(name));
  return entry && entry->known ? &tensors_[std::size_t(entry - &names_[0])] : nullptr;
}

MODELGROW_INLINE const TensorView& Checkpoint::tensor(std::string_view name) const {
  const auto& entry = names_.at(prefix_.without(name));
  if (!entry.known) throw io_error(path_.string() + ": the file of tensor '" + entry.name + "' is missing");
  return tensors_[std::size_t(&entry - &names_[0])];
}

MODELGROW_INLINE std::uint64_t Checkpoint::total_bytes() const {
  std::uint64_t n = 0;
  for (const auto& t : tensors_) n += t.bytes;
  return n;
}

MODELGROW_INLINE const MappedTensors* Checkpoint::file_of(std::span<const std::byte> part) const noexcept {
  const auto next = memory_.upper_bound(part.data());
  if (next == memory_.begin()) return nullptr;
  const auto& [begin, memory] = *std::prev(next);
  return part.data() + part.size() <= begin + memory.bytes ? &files_[memory.file] : nullptr;
}

MODELGROW_INLINE void Checkpoint::prepare(std::span<const std::byte> part) const {
  if (const auto* file = file_of(part)) file->prepare(part);
}

MODELGROW_INLINE void Checkpoint::release(std::span<const std::byte> part) const noexcept {
  if (const auto* file = file_of(part)) file->release(part);
}

MODELGROW_INLINE std::filesystem::path Checkpoint::folder_of(const std::filesystem::path& path,
                                                             const CheckpointOptions& options) {
  std::error_code ignored;
  const bool pipeline = std::filesystem::exists(path / pipeline_file, ignored);
  if (!pipeline && options.component.empty()) return detail::is_run(path) ? path / detail::model_of_run : path;
  const std::string component = options.component.empty() ? "transformer" : options.component;
  if (!pipeline || component.find_first_of("/\\") != component.npos || component.starts_with('.') ||
      !std::filesystem::is_directory(path / component, ignored))
    throw io_error("cannot open the component '" + component + "' of '" + path.string() + "': " +
                   (pipeline ? "there is no such folder; name one of its folders"
                             : "that is no pipeline (it has no model_index.json); give its folder alone"));
  return path / component;
}

MODELGROW_INLINE std::filesystem::path Checkpoint::beside(std::string_view name) const {
  const auto file = path_ / name, index = path_ / (std::string(name) + ".index.json");
  std::error_code ignored;
  if (!std::filesystem::exists(index, ignored)) return file;
  if (std::filesystem::exists(file, ignored))
    throw io_error("cannot open '" + path_.string() + "' as a checkpoint: it has both '" + std::string(name) +
                   "' and an index of its shards; remove the old one");
  return index;
}

MODELGROW_INLINE std::filesystem::path Checkpoint::store() const {
  const auto folder = weights_.parent_path();
  return folder == path_ / detail::model_of_two ? path_ : folder;
}

MODELGROW_INLINE void Checkpoint::read_config() {
  const auto file = path_ / config_file;
  config_ = detail::read_file(file);
  if (config_.starts_with("\xEF\xBB\xBF")) config_.erase(0, 3);  // Windows editors put a byte order mark there
  if (config_.find_first_not_of(" \t\r\n") == config_.npos)
    throw format_error(file.string() + ": the file is empty (" + std::to_string(std::filesystem::file_size(file)) +
                       " bytes); fetch it again");
}

MODELGROW_INLINE void Checkpoint::open_file(const CheckpointOptions& options) {
  if (is_torch_file(weights_)) {
    auto opened = detail::open_torch_weights(weights_, options.state_dict);
    files_.push_back(std::move(opened.file));
    state_dict_ = std::move(opened.at);
    beside_weights_ = std::move(opened.beside);
    return;
  }
  if (weights_.filename() == DcpFolder::metadata_file) {
    const auto folder = DcpFolder::open(store());
    state_dict_ = dcp_contents(folder, options.state_dict).weights;
    files_.push_back(joined_file(weights_, folder.tensors(state_dict_)));
    return;
  }
  if (weights_.filename() == deepspeed_latest) {
    files_.push_back(joined_file(weights_, read_deepspeed(store()).weights));
    return;
  }
  files_.push_back(Safetensors::open(weights_));
  if (!options.state_dict.empty())
    throw format_error(weights_.string() + ": there is no dictionary '" + options.state_dict +
                       "' in a file of safetensors; leave that name out");
}

MODELGROW_INLINE std::vector<NamedShape> Checkpoint::open_index(const CheckpointOptions& options) {
  const detail::ShardIndex index(weights_);
  state_dict_ = options.state_dict;
  std::vector<NamedShape> unknown;
  for (const auto& [file, names] : index.files()) {
    if (index.exists(file)) continue;
    missing_.push_back(file);
    for (const auto& name : names) unknown.push_back(NamedShape{.name = name, .known = false});
  }
  if (!missing_.empty() && options.incomplete == Incomplete::refuse)
    throw io_error("cannot read '" + weights_.string() + "': of the " + std::to_string(index.files().size()) +
                   " files that it names, " + detail::quoted_list(missing_) + (missing_.size() == 1 ? " is" : " are") +
                   " missing; fetch what is missing, too");
  for (const auto& [file, names] : index.files())
    if (index.exists(file)) files_.push_back(index.open(file, options.state_dict));
  return unknown;
}

MODELGROW_INLINE void Checkpoint::name_tensors(std::vector<NamedShape> unknown) {
  std::vector<std::string_view> all;
  for (const auto& t : tensors_) all.push_back(t.name);
  for (const auto& t : unknown) all.push_back(t.name);
  prefix_ = NamePrefix(all);
  std::vector<NamedShape> entries;
  for (auto& t : tensors_) {
    t.name = prefix_.without(t.name);
    entries.push_back(NamedShape{.name = t.name, .dtype = t.dtype, .shape = t.shape});
  }
  for (auto& t : unknown) {
    t.name = prefix_.without(t.name);
    entries.push_back(std::move(t));
  }
  names_ = Names(std::move(entries), path_.string());
}

}  // namespace modelgrow::inline v0
