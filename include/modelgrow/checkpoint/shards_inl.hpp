// SPDX-License-Identifier: MIT
// The definitions of shards.hpp.
#pragma once
#include <cstdio>
#include <map>

#include <modelgrow/checkpoint/folder.hpp>
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/json_members.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE CheckpointWriter::CheckpointWriter(const std::filesystem::path& path, std::vector<NamedShape> tensors,
                                                    Metadata metadata, const WriteOptions& options)
    : path_(path), existing_(options.existing) {
  if (path.extension() != ".safetensors")
    throw io_error("cannot write '" + path.string() + "': the name of a checkpoint ends in .safetensors");
  metadata.emplace("format", "pt");
  std::vector<std::vector<NamedShape>> parts(1);
  std::uint64_t part_bytes = 0;
  for (auto& t : tensors) {
    const std::uint64_t n = detail::declared_bytes(t, path);
    if (!parts.back().empty() && n > options.shard_bytes - std::min(part_bytes, options.shard_bytes)) {
      parts.emplace_back();
      part_bytes = 0;
    }
    part_bytes += n;
    total_bytes_ += n;
    if (!shard_of_.emplace(t.name, parts.size() - 1).second)
      throw format_error(path.string() + ": tensor '" + t.name + "' is declared twice");
    parts.back().push_back(std::move(t));
  }
  for (std::size_t i = 0; i < parts.size(); ++i)
    shards_.emplace_back(shard_path(i, parts.size()), std::move(parts[i]), metadata, existing_);
  if (shards_.size() > 1) index_.emplace(index_path(), existing_);
}

MODELGROW_INLINE std::vector<NamedShape> CheckpointWriter::tensors() const {
  std::vector<NamedShape> all;
  for (const auto& s : shards_) all.insert(all.end(), s.tensors().begin(), s.tensors().end());
  return all;
}

MODELGROW_INLINE void CheckpointWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto it = shard_of_.find(std::string(name));
  if (it == shard_of_.end())
    throw format_error(path_.string() + ": tensor '" + std::string(name) + "' was not declared");
  shards_[it->second].write(name, bytes);
}

MODELGROW_INLINE void CheckpointWriter::commit() {
  for (auto& s : shards_) s.finish();
  if (index_) index_->append(index_text());
  for (auto& s : shards_) s.commit();
  if (index_) index_->commit();
}

/// "X.safetensors.index.json"; of a variant "X.safetensors.index.ema.json".
MODELGROW_INLINE std::filesystem::path CheckpointWriter::index_path() const {
  const auto f = classify(path_.filename().string());
  if (f.variant.empty()) return path_.string() + ".index.json";
  return path_.parent_path() / (f.stem + ".safetensors.index." + f.variant + ".json");
}

MODELGROW_INLINE std::filesystem::path CheckpointWriter::shard_path(std::size_t i, std::size_t count) const {
  if (count == 1) return path_;
  char number[64];
  std::snprintf(number, sizeof number, "-%05zu-of-%05zu.safetensors", i + 1, count);
  return path_.parent_path() / (stem() + number);
}

MODELGROW_INLINE std::string CheckpointWriter::index_text() const {
  const std::map<std::string, std::size_t> by_name(shard_of_.begin(), shard_of_.end());
  auto index = detail::object_of(
      {{"metadata", detail::object_of({{"total_size", total_bytes_}})}, {"weight_map", detail::json::object()}});
  auto& files = index["weight_map"].get_ref<detail::json::object_t&>();
  for (const auto& [name, shard] : by_name) files.emplace_back(name, shards_[shard].path().filename().string());
  return index.dump(2) + "\n";
}

}  // namespace modelgrow::inline v0
