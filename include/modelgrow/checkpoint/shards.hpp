// SPDX-License-Identifier: MIT
// Checkpoints of several files: "<stem>-00001-of-00002.safetensors" and "<stem>.safetensors.index.json", as
// huggingface_hub splits and names them (serialization/_base.py).
#pragma once
#include <deque>
#include <optional>
#include <unordered_map>

#include <modelgrow/checkpoint/writer.hpp>

namespace modelgrow::inline v0 {

/// How a checkpoint is written.
struct WriteOptions {
  std::uint64_t shard_bytes = UINT64_MAX;  // start a new file before this many bytes of tensors
  Existing existing = Existing::replace;
};

/// Writes `path` ("dir/model.safetensors"), or shards and an index beside it when the tensors exceed
/// `shard_bytes`. Nothing is visible before commit(). Throws what SafetensorsWriter throws.
class CheckpointWriter {
 public:
  /// Tensors are dealt to shards in the order given. Metadata always carries {"format": "pt"}, which loaders ask for.
  CheckpointWriter(const std::filesystem::path& path, std::vector<NamedShape> tensors, Metadata metadata = {},
                   const WriteOptions& options = {});

  /// Names in file order, shard after shard; writing them in this order is fastest.
  std::vector<NamedShape> tensors() const;
  /// Bytes of all tensors, without headers.
  std::uint64_t total_bytes() const { return total_bytes_; }
  /// What Checkpoint::open takes: the file, or the index of the shards.
  std::filesystem::path path() const { return shards_.size() > 1 ? index_path() : path_; }

  /// Appends bytes to one tensor.
  void write(std::string_view name, std::span<const std::byte> bytes);

  /// Everything is checked and flushed before the first file gets its name; the index comes last. For shards
  /// that replace older ones in one step, write into a detail::AtomicDirectory.
  void commit();

 private:
  std::string stem() const { return path_.stem().string(); }
  std::filesystem::path index_path() const;
  std::filesystem::path shard_path(std::size_t i, std::size_t count) const;
  std::string index_text() const;

  std::filesystem::path path_;
  Existing existing_;
  std::deque<SafetensorsWriter> shards_;
  std::unordered_map<std::string, std::size_t> shard_of_;
  std::optional<detail::AtomicFile> index_;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/shards_inl.hpp>
#endif
