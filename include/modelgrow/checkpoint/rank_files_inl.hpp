// SPDX-License-Identifier: MIT
// The definitions of rank_files.hpp.
#pragma once
#include <algorithm>
#include <map>
#include <set>

#include <modelgrow/checkpoint/folder.hpp>
#include <modelgrow/checkpoint/rank_files.hpp>
#include <modelgrow/checkpoint/safetensors.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/json_members.hpp>

namespace modelgrow::inline v0 {

namespace detail {

class RankFiles {
 public:
  explicit RankFiles(const std::filesystem::path& folder) : folder_(folder) {
    std::set<std::string> numbers;
    for (const auto& entry : list_folder(folder))
      if (entry.name.starts_with("shard-") && entry.name.ends_with(".safetensors")) {
        files_.push_back(std::make_shared<const MappedTensors>(Safetensors::open(folder / entry.name)));
        numbers.insert(entry.name.substr(0, entry.name.find('-', 6)));
      }
    if (files_.empty()) throw format_error(folder.string() + ": it has no files of ranks (shard-00001-..)");
    std::size_t rank = 1;
    for (const auto& number : numbers) {
      const auto text = std::to_string(rank++);
      if (number != "shard-" + std::string(5 - std::min<std::size_t>(5, text.size()), '0') + text)
        throw format_error(folder.string() + ": the file of rank " + text + " is missing; fetch it, too");
    }
  }

  std::vector<JoinedTensor> join(const std::vector<NamedShape>& expected) {
    if (files_.size() == 1 && expected.empty())
      throw format_error(files_[0]->path().string() +
                         ": it holds parts of tensors, and nobody says of how large ones; fetch the files of the other "
                         "ranks, or give the shapes");
    for (const auto& file : files_) take(file);
    for (const auto& wanted : expected) {
      const auto it = found_.find(wanted.name);
      if (it == found_.end()) throw format_error(folder_.string() + ": tensor '" + wanted.name + "' is in no file");
      it->second.about.shape = wanted.shape;
    }
    std::vector<JoinedTensor> joined;
    for (auto& [name, tensor] : found_)
      joined.emplace_back(tensor.about, JoinedTensor::Parts::boxes, std::move(tensor.parts), folder_.string());
    return joined;
  }

 private:
  struct Found {
    NamedShape about;
    std::vector<TensorPart> parts = {};
  };

  void take(const std::shared_ptr<const MappedTensors>& file) {
    const std::string where = file->path().string();
    const auto info = file->metadata().find("DCP_SHARDING_INFO");
    if (info == file->metadata().end())
      throw format_error(where + ": its header has no offsets (DCP_SHARDING_INFO); it is whole, or altered");
    const auto offsets = parse_json(info->second, where + ", DCP_SHARDING_INFO");
    for (const auto& view : file->tensors()) {
      const auto fail = [&](const std::string& what) {
        throw format_error(where + ": tensor '" + view.name + "' has " + what);
      };
      const auto* entry = member(offsets, view.name);
      const auto* saved = entry ? member(*entry, "saved_offsets") : nullptr;
      if (!saved || !saved->is_array() || saved->size() != std::size_t(view.shape.rank()))
        fail("no offset for each of its axes");
      TensorPart part{.shape = view.shape, .data = view.data, .memory = file, .file = file};
      for (const auto& value : *saved) {
        const auto offset = whole_number(value);
        if (!offset || *offset < 0) fail("an offset that is " + value.dump());
        part.offset.push_back(*offset);
      }
      auto& [about, parts] =
          found_.try_emplace(view.name, Found{.about = {.name = view.name, .dtype = view.dtype, .shape = part.offset}})
              .first->second;
      if (about.dtype != view.dtype || about.shape.rank() != view.shape.rank())
        fail("another type or rank than in the other files; they are of different saves");
      for (int a = 0; a < about.shape.rank(); ++a)
        about.shape[a] = std::max(about.shape[a], part.offset[a] + part.shape[a]);
      parts.push_back(std::move(part));
    }
  }

  std::filesystem::path folder_;
  std::vector<std::shared_ptr<const MappedTensors>> files_;
  std::map<std::string, Found> found_;
};

}  // namespace detail

MODELGROW_INLINE std::vector<JoinedTensor> join_rank_files(const std::filesystem::path& folder,
                                                           const std::vector<NamedShape>& expected) {
  return detail::RankFiles(folder).join(expected);
}

}  // namespace modelgrow::inline v0
