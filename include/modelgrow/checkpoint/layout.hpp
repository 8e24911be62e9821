// SPDX-License-Identifier: MIT
// Where each tensor lies in the files of a checkpoint, before a byte is written. The files are byte for byte what the
// reference writer makes: tensors by (dtype descending, name), header padded to 8 bytes; shards and their index are
// named as huggingface_hub names them (serialization/_base.py).
#pragma once
#include <modelgrow/checkpoint/safetensors.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// Bytes of a declared tensor; throws format_error for what no file can hold.
std::uint64_t declared_bytes(const NamedShape& t, const std::filesystem::path& path);
}  // namespace detail

/// One safetensors file.
struct FileLayout {
  std::filesystem::path path;
  std::string header;                // length, JSON and padding
  std::vector<NamedShape> tensors;   // in file order
  std::vector<std::uint64_t> begin;  // of each tensor in the file, and at the end the size of the file
  std::uint64_t bytes() const { return begin.back(); }
};

/// Throws format_error for duplicate or unusable names, texts that are not UTF-8, and what needs too large a header.
FileLayout layout_of(const std::filesystem::path& path, std::vector<NamedShape> tensors, const Metadata& metadata);

/// A file ("dir/model.safetensors"), or shards ("dir/model-00001-of-00002.safetensors") and their index.
struct CheckpointLayout {
  std::vector<FileLayout> files;
  std::filesystem::path path;     // what Checkpoint::open takes: the file, or the index
  std::string index_text;         // of the index; empty for a single file
  std::uint64_t total_bytes = 0;  // of all tensors, without headers
};

/// The tensors of each file; where there is one file it is `path` itself. Metadata always carries {"format": "pt"},
/// which loaders ask for. Throws io_error for a path that does not end in .safetensors, and what layout_of throws.
CheckpointLayout layout_of_files(const std::filesystem::path& path, std::vector<std::vector<NamedShape>> files,
                                 Metadata metadata);

/// Deals tensors to shards in the order given, each of at most `shard_bytes` unless a single tensor has more. Otherwise
/// as layout_of_files.
CheckpointLayout layout_of_shards(const std::filesystem::path& path, std::vector<NamedShape> tensors, Metadata metadata,
                                  std::uint64_t shard_bytes);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/layout_inl.hpp>
#endif
