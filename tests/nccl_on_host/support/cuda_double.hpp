// SPDX-License-Identifier: MIT
// A double of CUDA's streams, events and memory. Streams are lazy: what a stream is given is done only when somebody
// waits or asks for a place behind it. What is not ordered by events so comes too late for whoever needs it.
#pragma once
#include <cuda_runtime.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/cuda_on_host/support/emulated.hpp"

namespace cuda_double {

/// What a stream does: `begin` once, when all before it has been done, and then `done` until it is true.
struct Work {
  std::function<void()> begin = [] {};
  std::function<bool()> done = [] { return true; };
};

/// Device memory can be touched while it lives; else host code that does stops here.
struct Access : emulator::Arena::Open {
  Access() : Open(modelgrow::Emulated::arena()) {}
};

/// Calls that order streams or give them work, in the order in which they were made: "record compute".
std::vector<std::string>& log();
/// What that adds to the log.
template <class F>
std::vector<std::string> log_of(F f) {
  log().clear();
  f();
  return log();
}
/// The status that the next call of this name returns.
void fail(const std::string& call, int status);
/// That status, once, or 0.
int failure_of(const std::string& call);

/// "compute" for streams as CudaContext makes them, "own" for those that are in order with no other.
std::string name_of(cudaStream_t stream);
void give(cudaStream_t stream, Work work);
/// How many streams, events and blocks of memory there are.
int objects();

/// The GPUs that this process sees, by their places, and the one that it has chosen.
struct Gpus {
  std::vector<std::string> places = {"0000:01:00.0"};
  int chosen = -1;
};
Gpus& gpus();

}  // namespace cuda_double
