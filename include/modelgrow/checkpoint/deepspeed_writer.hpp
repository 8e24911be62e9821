// SPDX-License-Identifier: MIT
// Writing a folder of DeepSpeed (ZeRO 1 to 3) as the one that a run came from, with other tensors: cut for as many
// ranks, in the same files, with all that does not depend on sizes as it was.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/joined_tensor.hpp>
#include <modelgrow/checkpoint/stored_optimizer.hpp>

namespace modelgrow::inline v0 {

/// A tensor of a model, and the name of that which it was made from in the old one.
struct DeepSpeedWeight {
  JoinedTensor tensor;
  std::string source;
};

/// Writes `latest` and the folder of the step that the run in `source` names. `weights` has the trained parameters in
/// float32, the others as the model stores them; the parameters of `optimizer` have names, and its groups those that a
/// trainer has to have: DeepSpeed joins a group to one tensor, which has one counter of steps, that of its oldest
/// parameter. Files of an earlier try are replaced. What was written, below `folder`. Throws io_error, and
/// format_error: a pipeline, the universal form, a row of parameters in another order than that of the model, an entry
/// that not all parameters of a group have.
std::vector<std::filesystem::path> write_deepspeed(const std::filesystem::path& source,
                                                   const std::filesystem::path& folder,
                                                   const std::vector<DeepSpeedWeight>& weights,
                                                   const StoredOptimizer& optimizer);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/deepspeed_writer_inl.hpp>
#endif
