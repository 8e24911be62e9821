// SPDX-License-Identifier: MIT
#include "tests/nccl_on_host/support/graph_double.hpp"

#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

namespace cuda_double {
namespace {

struct Made {
  GraphObjects count;
  std::map<const void*, std::size_t> pinned;
  cudaError_t last = cudaSuccess;
};
Made& made() {
  static Made made;
  return made;
}
cudaError_t result_of(const std::string& call) {
  const auto status = cudaError_t(failure_of(call));
  return status == cudaSuccess ? status : made().last = status;
}
void require_memory(const std::vector<Work>& work) {
  for (const Work& w : work)
    for (const void* p : {w.to, w.from})
      if (p && !is_on_device(p) && !is_pinned(p)) broken_rules().push_back(w.kind + " of memory that is no more");
}

}  // namespace

GraphObjects graph_objects() {
  GraphObjects count = made().count;
  count.pinned = int(made().pinned.size());
  return count;
}
std::vector<std::string>& broken_rules() {
  static std::vector<std::string> rules;
  return rules;
}
bool is_pinned(const void* p) {
  const auto behind = made().pinned.upper_bound(p);
  if (behind == made().pinned.begin()) return false;
  const auto& [begin, bytes] = *std::prev(behind);
  return p < static_cast<const char*>(begin) + bytes;
}

}  // namespace cuda_double

using namespace cuda_double;

extern "C" {

cudaError_t cudaGetLastError() { return std::exchange(made().last, cudaSuccess); }

cudaError_t cudaMallocHost(void** p, std::size_t bytes) {
  if (const auto failed = result_of("cudaMallocHost")) return failed;
  *p = std::malloc(bytes);
  made().pinned[*p] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* p) {
  if (made().pinned.erase(p) == 0) return cudaErrorInvalidValue;
  std::free(p);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (const auto failed = result_of("cudaStreamBeginCapture")) return failed;
  if (mode != cudaStreamCaptureModeRelaxed) broken_rules().push_back("recording in a mode that forbids allocation");
  if (stream->recorded) return cudaErrorIllegalState;
  stream->recorded = std::make_unique<CUgraph_st>();
  stream->broken = false;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (!stream->recorded) return cudaErrorIllegalState;
  auto recorded = std::move(stream->recorded);
  if (const auto failed = result_of("cudaStreamEndCapture")) return failed;
  if (stream->broken) return made().last = cudaErrorStreamCaptureInvalidated;
  *graph = recorded.release();
  ++made().count.graphs;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  --made().count.graphs;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  if (const auto failed = result_of("cudaGraphInstantiate")) return failed;
  *executable = new CUgraphExec_st{.work = graph->work};
  ++made().count.executables;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  --made().count.executables;
  return cudaSuccess;
}
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t executable, cudaGraph_t graph, cudaGraphExecUpdateResultInfo*) {
  bool same = executable->work.size() == graph->work.size();
  for (std::size_t i = 0; same && i < graph->work.size(); ++i) same = executable->work[i].kind == graph->work[i].kind;
  if (!same) return made().last = cudaErrorGraphExecUpdateFailure;
  executable->work = graph->work;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (const auto failed = result_of("cudaGraphLaunch")) return failed;
  if (made().last != cudaSuccess) broken_rules().push_back("an error is left for the next launch");
  require_memory(executable->work);
  give(stream, {.begin = [work = executable->work] {
         require_memory(work);
         for (const Work& w : work) w.begin();
       }});
  return cudaSuccess;
}

}  // extern "C"
