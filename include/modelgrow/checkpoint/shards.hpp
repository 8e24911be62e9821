// SPDX-License-Identifier: MIT
// Checkpoints of one file or several, written tensor by tensor.
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
  const std::filesystem::path& path() const { return path_; }

  /// Appends bytes to one tensor.
  void write(std::string_view name, std::span<const std::byte> bytes);

  /// Everything is checked and flushed before the first file gets its name; the index comes last. For shards
  /// that replace older ones in one step, write into a detail::AtomicDirectory.
  void commit();

 private:
  std::filesystem::path path_;
  std::deque<SafetensorsWriter> shards_;
  std::unordered_map<std::string_view, std::size_t> shard_of_;
  std::optional<detail::AtomicFile> index_;
  std::string index_text_;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/shards_inl.hpp>
#endif
