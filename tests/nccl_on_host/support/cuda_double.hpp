// SPDX-License-Identifier: MIT
// A double of CUDA's streams, events and memory. Streams are lazy: what a stream is given is done only when somebody
// waits or asks for a place behind it. What is not ordered by events so comes too late for whoever needs it. A stream
// that records gives its work to a graph, which is done when it is launched, with the memory that there is then.
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
  std::string kind = {};                 // what a graph can be updated to
  const void *to = nullptr, *from = {};  // of copies: memory that must be there
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
/// How many graphs, executable graphs and blocks of pinned memory there are.
struct GraphObjects {
  int graphs = 0, executables = 0, pinned = 0;
  bool operator==(const GraphObjects&) const = default;
};
GraphObjects graph_objects();
/// What was done against the rules of recording.
std::vector<std::string>& broken_rules();
/// Whether there is such memory on the device, or pinned on the host.
bool is_on_device(const void* p);
bool is_pinned(const void* p);

/// The GPUs that this process sees, by their places, and the one that it has chosen.
struct Gpus {
  std::vector<std::string> places = {"0000:01:00.0"};
  int chosen = -1;
};
Gpus& gpus();

}  // namespace cuda_double
