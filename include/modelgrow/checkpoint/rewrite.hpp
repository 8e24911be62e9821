// SPDX-License-Identifier: MIT
// A checkpoint written anew, with the same numbers: as safetensors or as a torch file, in other element types, in
// shards, under other names.
#pragma once
#include <functional>
#include <optional>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/core/progress.hpp>
#include <modelgrow/detail/partial.hpp>

namespace modelgrow::inline v0 {

/// How a checkpoint is written anew.
struct Rewrite {
  std::optional<DType> dtype = {};  ///< of the tensors in F64, F32, F16 and BF16; all others stay as they are
  std::function<std::string(const std::string&)> rename = {};  ///< the new name of a tensor
  std::uint64_t shard_bytes = UINT64_MAX;                      ///< safetensors: start a new file before so many bytes
  Existing existing = Existing::refuse;
  Progress progress = {};  ///< may throw to stop
};

/// What was written.
struct Rewritten {
  std::filesystem::path path = {};  ///< the file, or the index of its shards
  std::uint64_t bytes = 0;          ///< of all tensors
  std::int64_t tensors = 0;
  std::vector<std::string> kept = {};  ///< tensors whose type stayed, though another was asked for
};

/// Writes `out`, a .safetensors file or one that torch.load reads, told by its ending (.pt, .pth, .bin, .ckpt, .pkl).
/// Prefixes of wrappers are gone from the names. Nothing is visible before all of it is. Throws option_error (shards of
/// a torch file, an element type that is none of the four), format_error (two tensors of one name; a number that
/// becomes infinite, with its place) and io_error.
Rewritten rewrite(const Checkpoint& in, const std::filesystem::path& out, const Rewrite& how = {});

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/rewrite_inl.hpp>
#endif
