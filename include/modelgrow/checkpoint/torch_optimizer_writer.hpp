// SPDX-License-Identifier: MIT
// Writing the state of an optimizer as torch.save(optimizer.state_dict()) does: parameters are numbered in the order of
// the groups, and every entry has a storage of its own, so that no two parameters count one step.
#pragma once
#include <modelgrow/checkpoint/segmented_file.hpp>
#include <modelgrow/checkpoint/stored_optimizer.hpp>

namespace modelgrow::inline v0 {

/// Reads the entries by pieces, from several threads. Names are written where the state had them. What was written
/// counts tensors in the order of parameters and their entries. Throws io_error, and format_error for parameters
/// without names where names are written, and options that are tensors.
WrittenFile write_torch_optimizer(const std::filesystem::path& path, const StoredOptimizer& optimizer,
                                  Existing existing = Existing::replace, const WriteWindows& how = {});

namespace detail {
/// What torch.load returns for it, and the entries in the order in which the tree names them.
struct TorchOptimizerTree {
  PickleValue root;
  std::vector<JoinedTensor> tensors;
};
TorchOptimizerTree torch_optimizer_tree(const StoredOptimizer& optimizer);
}  // namespace detail

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/torch_optimizer_writer_inl.hpp>
#endif
