// SPDX-License-Identifier: MIT
// The ranks that run a command together: those that mpirun or srun has started, where the program was built with MPI.
#pragma once
#include <modelgrow/grow/ranks.hpp>

#include "tool.hpp"

namespace tool {

/// Calls `work` on every rank. What ends it on any of them ends it on all, and rank 0 says why: the others throw
/// SaidByAnother. A program that was started alone does not begin MPI.
void with_ranks(const std::function<void(mg::Ranks&)>& work);

}  // namespace tool
