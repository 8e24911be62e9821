// SPDX-License-Identifier: MIT
// The definitions of checkpoint.hpp.
#pragma once
#include <array>
#include <map>
#include <set>
#include <unordered_map>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/detail/posix.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE Checkpoint Checkpoint::open(const std::filesystem::path& path, const CheckpointOptions& options) {
  std::error_code ignored;
  Checkpoint c;
  c.path_ = path;
  if (std::filesystem::is_directory(path, ignored)) {
    c.weights_ = options.weights.empty() ? weights_in(path) : path / options.weights;
    if (std::filesystem::exists(path / config_file, ignored)) {
      c.config_ = detail::read_file(path / config_file);
      if (c.config_.empty())
        throw format_error((path / config_file).string() + ": the file is empty (0 bytes); fetch it again");
    }
    c.has_optimizer_ = std::filesystem::exists(path / optimizer_file, ignored);
    c.has_ema_ = std::filesystem::exists(path / ema_file, ignored);
  } else {
    if (!options.weights.empty())
      throw io_error("cannot open '" + options.weights + "' in '" + path.string() +
                     "': that is no directory; give the directory, or the file alone");
    c.weights_ = path;
  }
  if (c.weights_.extension() == ".json")
    c.open_index();
  else
    c.files_.push_back(Safetensors::open(c.weights_));
  for (const auto& f : c.files_) {
    c.tensors_.insert(c.tensors_.end(), f.tensors().begin(), f.tensors().end());
    c.metadata_.insert(f.metadata().begin(), f.metadata().end());
  }
  if (const auto it = c.metadata_.find("config"); c.config_.empty() && it != c.metadata_.end()) c.config_ = it->second;
  c.names_ = Safetensors::names_of(c.tensors_, path);
  return c;
}

MODELGROW_INLINE const TensorView* Checkpoint::find(std::string_view name) const {
  const auto* entry = names_.find(name);
  return entry ? &tensors_[std::size_t(entry - &names_[0])] : nullptr;
}

MODELGROW_INLINE std::uint64_t Checkpoint::total_bytes() const {
  std::uint64_t n = 0;
  for (const auto& t : tensors_) n += t.bytes;
  return n;
}

MODELGROW_INLINE void Checkpoint::release(const TensorView& tensor) const noexcept {
  for (const auto& f : files_)
    if (const auto* mine = f.find(tensor.name)) f.release(*mine);
}

MODELGROW_INLINE std::filesystem::path Checkpoint::weights_in(const std::filesystem::path& directory) {
  // The loader of each name: of two, neither is right for everybody.
  constexpr std::array<std::pair<const char*, const char*>, 4> known{{
      {"model.safetensors", "transformers, even beside an index"},
      {"model.safetensors.index.json", "transformers, when there is no single file"},
      {"diffusion_pytorch_model.safetensors", "diffusers, when there is no index"},
      {"diffusion_pytorch_model.safetensors.index.json", "diffusers, even beside a single file"},
  }};
  std::vector<std::filesystem::path> sets;
  std::string readers;
  for (const auto& [name, reader] : known)
    if (std::filesystem::exists(directory / name)) {
      sets.push_back(directory / name);
      readers.append(readers.empty() ? "'" : ", '").append(name).append("' (read by ").append(reader).append(")");
    }
  if (sets.size() == 1) return sets.front();
  if (sets.size() > 1)
    throw io_error("cannot open '" + directory.string() + "' as a checkpoint: it has several sets of weights, " +
                   readers + "; remove the old one, or name one of them as the weights");
  std::set<std::string> indices, files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') || name == optimizer_file || name == ema_file) continue;
    if (name.find(".safetensors.index.") != name.npos && name.ends_with(".json")) indices.insert(name);
    if (name.ends_with(".safetensors")) files.insert(name);
  }
  const auto& found = indices.empty() ? files : indices;
  if (found.size() == 1) return directory / *found.begin();
  std::string list;
  for (const auto& f : found) list.append(list.empty() ? "" : ", ").append(f);
  throw io_error("cannot open '" + directory.string() + "' as a checkpoint: " +
                 (found.empty() ? "it has no .safetensors file; give the directory that holds model.safetensors"
                                : "it has several (" + list + "); give the path of one of them"));
}

MODELGROW_INLINE void Checkpoint::open_index() {
  const std::string where = weights_.string();
  const auto index = detail::parse_json(detail::read_file(weights_), where);
  const auto bad = [&](const std::string& what) { throw format_error(where + ": " + what); };
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    bad("an index needs an object 'weight_map' from tensor to file");
  if (!index.contains("metadata") || !index["metadata"].is_object()) bad("an index needs an object 'metadata'");
  std::unordered_map<std::string, std::string> file_of;
  std::map<std::string, std::size_t> promised;  // file -> number of tensors
  for (const auto& [name, file] : index["weight_map"].items()) {
    if (!file.is_string()) bad("the file of tensor '" + name + "' is " + file.dump() + "; expected a name");
    const auto& text = file.get_ref<const std::string&>();
    if (text.empty() || text.find_first_of("/\\") != text.npos || text == "." || text == "..")
      bad("the file of tensor '" + name + "' is '" + text + "'; expected the name of a file beside the index");
    ++promised[text];
    file_of.emplace(name, text);
  }
  for (const auto& [file, count] : promised) {
    const auto shard = detail::parent_of(weights_) / file;
    if (std::error_code ignored; !std::filesystem::exists(shard, ignored))
      throw io_error("cannot read '" + shard.string() + "': the shard that " + where +
                     " names is missing; fetch it, too");
    files_.push_back(Safetensors::open(shard));
    for (const auto& t : files_.back().tensors()) {
      const auto it = file_of.find(t.name);
      if (it == file_of.end() || it->second != file)
        bad("tensor '" + t.name + "' is in " + file + ", but the index says " +
            (it == file_of.end() ? "nothing about it" : "it is in " + it->second));
    }
    if (files_.back().tensors().size() != count)
      for (const auto& [name, its_file] : index["weight_map"].items())
        if (its_file == file && !files_.back().find(name))
          bad("tensor '" + name + "' is missing from " + file + ", where the index says it is");
  }
}

}  // namespace modelgrow::inline v0
