// SPDX-License-Identifier: MIT
// The ranks that run a command together: those that mpirun or srun has started, where the program was built with MPI.
#pragma once
#include <chrono>

#include <modelgrow/grow/ranks.hpp>

#include "tool.hpp"

namespace tool {

/// Where ranks leave signs of life while they grow OUT ("OUT.ranks"), and how long one may take for 8 MB of it.
struct Watched {
  std::filesystem::path out;
  std::chrono::milliseconds limit;
};

/// Calls `work` on every rank, which are watched over while they write. What ends it on any of them ends it on all, and
/// rank 0 says why: the others throw SaidByAnother. A program that was started alone does not begin MPI.
void with_ranks(const Watched& how, const std::function<void(mg::Ranks&)>& work);

}  // namespace tool
