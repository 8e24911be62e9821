// SPDX-License-Identifier: MIT
// State of this library as an optimizer of torch has it, so that a run that began in torch and was trained on here goes
// on there. Groups, options and the order of parameters are not in the files of this library: they come from the run of
// torch.
#pragma once
#include <modelgrow/checkpoint/rewrite.hpp>
#include <modelgrow/grow/torch_states.hpp>

namespace modelgrow::inline v0 {

/// The state of the one optimizer of a run that torch or accelerate saved, and its file. Throws io_error, and
/// format_error: a run of something else, several optimizers, moments in few bits, and what torch_states() throws.
TorchState torch_run_state(const Checkpoint& run, const StateOptions& options = {});

/// The state beside the weights of `run` with the groups, options and order of `like`. Parameters that the run has no
/// state of keep that of `like`; `rename` gives the names in `like`. Throws format_error: a parameter that `like` does
/// not train, or of another shape, the state of another optimizer, and rates that differ within a parameter, as a
/// growth leaves them.
StoredOptimizer back_to_torch(const Checkpoint& run, const StoredOptimizer& like,
                              const std::function<std::string(const std::string&)>& rename = {});

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/back_to_torch_inl.hpp>
#endif
