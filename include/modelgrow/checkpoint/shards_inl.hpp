// SPDX-License-Identifier: MIT
// The definitions of shards.hpp.
#pragma once
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE CheckpointWriter::CheckpointWriter(const std::filesystem::path& path, std::vector<NamedShape> tensors,
                                                    Metadata metadata, const WriteOptions& options) {
  auto layout = layout_of_shards(path, std::move(tensors), std::move(metadata), options.shard_bytes);
  path_ = std::move(layout.path);
  index_text_ = std::move(layout.index_text);
  total_bytes_ = layout.total_bytes;
  for (auto& file : layout.files) {
    const auto& shard = shards_.emplace_back(std::move(file), options.existing);
    for (const auto& t : shard.tensors()) shard_of_.emplace(t.name, shards_.size() - 1);
  }
  if (!index_text_.empty()) index_.emplace(path_, options.existing);
}

MODELGROW_INLINE std::vector<NamedShape> CheckpointWriter::tensors() const {
  std::vector<NamedShape> all;
  for (const auto& s : shards_) all.insert(all.end(), s.tensors().begin(), s.tensors().end());
  return all;
}

MODELGROW_INLINE void CheckpointWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto it = shard_of_.find(name);
  if (it == shard_of_.end())
    throw format_error(path_.string() + ": tensor '" + std::string(name) + "' was not declared");
  shards_[it->second].write(name, bytes);
}

MODELGROW_INLINE void CheckpointWriter::commit() {
  for (auto& s : shards_) s.finish();
  if (index_) index_->append(index_text_);
  for (auto& s : shards_) s.commit();
  if (index_) index_->commit();
}

}  // namespace modelgrow::inline v0
