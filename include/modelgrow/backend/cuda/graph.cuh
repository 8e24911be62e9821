// SPDX-License-Identifier: MIT
// Work recorded as a CUDA graph and given to the GPU as one: thousands of launches cost the host one. It is recorded
// anew each time, so addresses and numbers may differ; as long as the sequence of kernels and copies is that of the
// last time, the graph that was made for it is updated. Not yet run on hardware.
#pragma once
#include <cstdint>
#include <memory>
#include <utility>

#include <modelgrow/backend/cuda/context.cuh>
#include <modelgrow/core/recording.hpp>

namespace modelgrow::inline v0 {

/// Used by one thread; goes before the CudaContext that it was used in last.
class CudaGraph {
 public:
  CudaGraph() = default;
  ~CudaGraph() { reset(); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  /// Records what give() gives to the current CudaContext, and gives it to the GPU as one graph. Memory that give()
  /// frees and bytes that it copies from the host are kept until the next wait. When give() throws, nothing of it is
  /// done, and the context can be used as before. Throws device_error, also when give() waits for the GPU, or records
  /// itself.
  template <class F>
  void run(F&& give) {
    CudaContext& context = CudaContext::current();
    const Graph graph = recorded(context, std::forward<F>(give));
    if (context_ != &context) reset();
    context_ = &context;
    fit(graph.get());
    kernels::check(cudaGraphLaunch(executable_, context.stream()), "giving out a graph");
  }
  /// How often a graph was made anew, not updated.
  std::int64_t made() const { return made_; }

 private:
  struct Destroy {
    void operator()(cudaGraph_t graph) const { cudaGraphDestroy(graph); }
  };
  using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, Destroy>;

  template <class F>
  static Graph recorded(CudaContext& context, F&& give) {
    context.begin_recording();
    try {
      std::forward<F>(give)();
    } catch (...) {
      cudaGraph_t part = nullptr;
      context.end_recording(&part);
      const Graph dropped(part);
      cudaGetLastError();  // of a recording that was broken off
      context.drop_held();
      throw;
    }
    cudaGraph_t whole = nullptr;
    const cudaError_t status = context.end_recording(&whole);
    Graph graph(whole);
    if (status != cudaSuccess) context.drop_held();
    kernels::check(status, "recording a graph");
    return graph;
  }
  /// Makes the executable graph one of this work.
  void fit(cudaGraph_t graph) {
    if (executable_) {
      cudaGraphExecUpdateResultInfo unused{};
      if (cudaGraphExecUpdate(executable_, graph, &unused) == cudaSuccess) return;
      cudaGetLastError();  // no error: another sequence of kernels and copies
      reset();
    }
    kernels::check(cudaGraphInstantiate(&executable_, graph, 0), "making a graph");
    ++made_;
  }
  void reset() noexcept {
    if (!executable_) return;
    cudaStreamSynchronize(context_->stream());  // it may be running
    cudaGraphExecDestroy(std::exchange(executable_, nullptr));
  }

  CudaContext* context_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
  std::int64_t made_ = 0;
};

/// Work recorded as a graph.
template <>
class Recording<Cuda> : public CudaGraph {};

}  // namespace modelgrow::inline v0
