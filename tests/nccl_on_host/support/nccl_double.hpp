// SPDX-License-Identifier: MIT
// A double of NCCL on host memory: operations are work of their streams, begun in order by every rank and carried out
// by MPI; the log of cuda_double has each with its sizes, stream and group. It refuses what nccl.h forbids.
#pragma once
#include <nccl.h>

namespace nccl_double {

/// What goes wrong, and what has been made.
struct State {
  ncclResult_t late = ncclSuccess;  // what operations that are under way fail with
  bool hangs = false;               // operations do not end
  int groups = 0, aborted = 0;      // communicators there are, and those that were aborted
};
State& state();

}  // namespace nccl_double
