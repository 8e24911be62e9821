// SPDX-License-Identifier: MIT
// The safetensors files in which ranks leave their parts of tensors (torch's HuggingFaceStorageWriter without
// consolidation): all have the same names, with shapes of parts and their offsets in the header.
#pragma once
#include <filesystem>

#include <modelgrow/checkpoint/joined_tensor.hpp>

namespace modelgrow::inline v0 {

/// The tensors of all "shard-00001-model-00001-of-00001.safetensors" of a folder, joined. The whole shapes stand
/// nowhere: `expected` gives them, and only then a single file may be enough. Throws io_error and format_error: a
/// number left out, no offsets, a single part, parts that are no whole.
std::vector<JoinedTensor> join_rank_files(const std::filesystem::path& folder,
                                          const std::vector<NamedShape>& expected = {});

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/rank_files_inl.hpp>
#endif
