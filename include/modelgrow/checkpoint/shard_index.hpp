// SPDX-License-Identifier: MIT
// The index of a checkpoint in several files: which tensor is in which, and which files are not there (yet).
#pragma once
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include <modelgrow/checkpoint/safetensors.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/checkpoint/torch_weights.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/json_members.hpp>

namespace modelgrow::inline v0::detail {

/// An index as it was read. Files are opened one by one.
class ShardIndex {
 public:
  /// Throws io_error and format_error.
  explicit ShardIndex(const std::filesystem::path& path) : path_(path) {
    const auto index = parse_json(read_file(path_), path_.string());
    if (!index.is_object() || !has(index, "weight_map") || !index["weight_map"].is_object())
      bad("an index needs an object 'weight_map' from tensor to file");
    if (!has(index, "metadata") || !index["metadata"].is_object()) bad("an index needs an object 'metadata'");
    for (const auto& [name, file] : index["weight_map"].items()) {
      if (!file.is_string()) bad("the file of tensor '" + name + "' is " + file.dump() + "; expected a name");
      const auto& text = file.get_ref<const std::string&>();
      if (text.empty() || text.find_first_of("/\\") != text.npos || text == "." || text == "..")
        bad("the file of tensor '" + name + "' is '" + text + "'; expected the name of a file beside the index");
      tensors_[text].push_back(name);
      file_of_.emplace(name, text);
    }
  }

  /// Names of tensors by file, in the order of the index.
  const std::map<std::string, std::vector<std::string>>& files() const { return tensors_; }
  bool exists(const std::string& file) const {
    std::error_code ignored;
    return std::filesystem::exists(parent_of(path_) / file, ignored);
  }
  /// Throws format_error unless the file holds just the tensors that the index says. `state_dict` leads to them in a
  /// torch file.
  MappedTensors open(const std::string& file, const std::string& state_dict) const {
    const auto path = parent_of(path_) / file;
    auto shard =
        is_torch_file(path) ? open_torch_weights(path, state_dict).file : MappedTensors(Safetensors::open(path));
    for (const auto& t : shard.tensors())
      if (const auto it = file_of_.find(t.name); it == file_of_.end() || it->second != file)
        bad("tensor '" + t.name + "' is in " + file + ", but the index says " +
            (it == file_of_.end() ? "nothing about it" : "it is in " + it->second));
    for (const auto& name : tensors_.at(file))
      if (!shard.find(name)) bad("tensor '" + name + "' is missing from " + file + ", where the index says it is");
    return shard;
  }

 private:
  [[noreturn]] void bad(const std::string& what) const { throw format_error(path_.string() + ": " + what); }
  std::filesystem::path path_;
  std::map<std::string, std::vector<std::string>> tensors_;
  std::unordered_map<std::string, std::string> file_of_;
};

}  // namespace modelgrow::inline v0::detail
