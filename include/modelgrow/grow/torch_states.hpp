// SPDX-License-Identifier: MIT
// The states of torch optimizers that lie beside weights, with the names of the parameters that they belong to.
#pragma once
#include <map>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/dcp_contents.hpp>
#include <modelgrow/checkpoint/deepspeed.hpp>
#include <modelgrow/checkpoint/stored_optimizer.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/state_options.hpp>

namespace modelgrow::inline v0 {

/// Why files were not read, by their names.
using Unread = std::map<std::string, std::string>;

/// One file of state: "optimizer.bin".
struct TorchState {
  std::string file;
  StoredOptimizer state;
};

namespace detail {
/// What to do about a state that does not fit, where leaving it behind is one way.
std::string or_leave_behind(const std::string& file);
/// All parameters in torch's order, without frozen ones; none: nobody knows.
std::vector<NamedShape> trained_order(const Checkpoint& in, const StateOptions& options);
}  // namespace detail

/// optimizer.bin, optimizer_1.bin, optimizer.pt: states of the optimizers that train the weights of a folder. Names
/// come from the files, the options, param_groups.json, or the order of a torch file of weights. Files that nobody can
/// read go into `unread`: with objects of a package, or of an optimizer without a rule. Throws io_error, and
/// format_error for what can be read and does not fit: no names, other shapes, two optimizers for one parameter.
std::vector<TorchState> torch_states(const Checkpoint& in, const StateOptions& options, Unread& unread);

/// The same for the optimizer of a run of DeepSpeed, which is never left behind: it has the weights.
TorchState deepspeed_state(const Checkpoint& in, const StateOptions& options);

/// The same for the optimizers of a distributed checkpoint, whose keys stand for a file.
std::vector<TorchState> dcp_states(const DcpFolder& folder, const DcpContents& contents, const Checkpoint& in,
                                   const StateOptions& options, Unread& unread);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/torch_states_inl.hpp>
#endif
