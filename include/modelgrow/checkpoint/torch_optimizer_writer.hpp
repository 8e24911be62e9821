// SPDX-License-Identifier: MIT
// Writing the state of an optimizer as torch.save(optimizer.state_dict()) does: parameters are numbered in the order of
// the groups, and every entry has a storage of its own, so that no two parameters count one step.
#pragma once
#include <functional>

#include <modelgrow/checkpoint/stored_optimizer.hpp>
#include <modelgrow/checkpoint/torch_writer.hpp>

namespace modelgrow::inline v0 {

/// Reads the entries by pieces. Names are written where the state had them. Throws io_error, and format_error for
/// parameters without names where names are written, and options that are tensors.
void write_torch_optimizer(const std::filesystem::path& path, const StoredOptimizer& optimizer,
                           Existing existing = Existing::replace);

namespace detail {
/// What torch.load returns for it; `place` gives the value that stands for a tensor.
PickleValue torch_optimizer_tree(const StoredOptimizer& optimizer,
                                 const std::function<PickleValue(const JoinedTensor&)>& place);
}  // namespace detail

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/torch_optimizer_writer_inl.hpp>
#endif
