// SPDX-License-Identifier: MIT
// What torch.optim.Optimizer.state_dict() returns, as files hold it: a dictionary `state` of entries by the number of
// the parameter, and `param_groups` with options and numbers. Numbers follow the order of the parameters in the groups,
// so that names come from the file (`param_names`, or numbers that are names) or from the order of the model.
#pragma once
#include <modelgrow/checkpoint/stored_optimizer.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>

namespace modelgrow::inline v0 {

struct TorchOptimizerOptions {
  std::string at = {};         ///< keys that lead to it: "optimizer", "trainer/optimizer"; empty: the only one
  std::string optimizer = {};  ///< "adamw", "sgd", ..; empty: told by its options and entries
  /// The trained parameters of the model in torch's order, which is asked for where the file has no names.
  std::vector<NamedShape> order = {};
};

/// The state of an optimizer in a file of torch. Throws io_error, and format_error: no such state, several (with the
/// keys), entries of a number that no group has, a number in two groups, entries that are no tensors or numbers, parts
/// of tensors that one rank has, and an order that does not fit. Without an order and names, parameters stay without.
StoredOptimizer read_torch_optimizer(const TorchFile& file, const TorchOptimizerOptions& options = {});
StoredOptimizer read_torch_optimizer(const std::filesystem::path& path, const TorchOptimizerOptions& options = {});

namespace detail {
/// A state that stands in a larger tree. `where` begins errors.
StoredOptimizer stored_optimizer(const TorchFile& file, const PickleDict& state, const std::string& where);
bool is_optimizer_state(const PickleDict& dict);
}  // namespace detail

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/torch_optimizer_inl.hpp>
#endif
