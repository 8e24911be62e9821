// SPDX-License-Identifier: MIT
// Where GPU work goes: a stream, its cuBLAS handle and its scratch memory, one for each host thread, made at first use.
#pragma once
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <modelgrow/backend/cuda/fused_product.cuh>
#include <modelgrow/backend/cuda/memory.cuh>

namespace modelgrow::inline v0 {

/// A stream on the device that was current at construction, with what its operations need. One thread at a time.
class CudaContext {
 public:
  /// Throws device_error when there is no usable device.
  CudaContext() {
    try {
      kernels::check(cudaStreamCreate(&stream_), "creating a stream");  // in order with the default stream
      kernels::check(cublasCreate(&blas_), "creating a handle");
      kernels::check(cublasSetStream(blas_, stream_), "binding the handle to its stream");
      // Products that are split along the inner axis add up their parts in float too, not in bf16.
      kernels::check(cublasSetMathMode(blas_, cublasMath_t(CUBLAS_DEFAULT_MATH | float_sums)), "setting the math mode");
      // A workspace of our own: then the choice of algorithm, and so every bit of a result, is the same in every run.
      workspace_ = std::shared_ptr<void>(Cuda::allocate(workspace_bytes), &Cuda::release);
      kernels::check(cublasSetWorkspace(blas_, workspace_.get(), workspace_bytes), "setting the workspace");
    } catch (...) {
      release();
      throw;
    }
  }
  ~CudaContext() { release(); }
  CudaContext(const CudaContext&) = delete;
  CudaContext& operator=(const CudaContext&) = delete;

  /// The context that operations of this thread use: the innermost Use, or else one that the thread owns.
  static CudaContext& current() {
    if (chosen() != nullptr) return *chosen();
    thread_local CudaContext own;
    return own;
  }
  /// Makes operations of this thread use `context` while it lives.
  class Use {
   public:
    explicit Use(CudaContext& context) : before_(std::exchange(chosen(), &context)) {}
    ~Use() { chosen() = before_; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    CudaContext* before_;
  };

  cudaStream_t stream() const { return stream_; }
  cublasHandle_t blas() const { return blas_; }
  kernels::FusedProducts& fused_products() { return fused_products_; }
  kernels::Workspace workspace() const { return {workspace_.get(), workspace_bytes}; }
  Pool<Cuda>& pool() { return pool_; }
  /// Waits until all work given to this context is done. Throws device_error if some of it failed, and while this
  /// context records.
  void synchronize() {
    if (recording())
      throw device_error(
          "[cuda] the host waits for work that is being recorded as a graph and is done only when the graph is given "
          "out: read results behind the recorded part, or do without a graph (TrainerOptions::graph) where the host "
          "decides by them");
    kernels::check(cudaStreamSynchronize(stream_), "waiting for the stream");
    held_.clear();
  }

  /// Whether work given to this context is recorded, not done.
  bool recording() const { return recorder() == this; }
  /// Records from now on. Throws device_error when this thread records already.
  void begin_recording() {
    if (recorder() != nullptr)
      throw device_error("[cuda] a graph is recorded within another: record both as one, or one after the other");
    if (!held_.empty()) synchronize();
    kernels::check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), "beginning to record a graph");
    recorder() = this;
  }
  /// Gives the caller what was recorded, null where that failed.
  cudaError_t end_recording(cudaGraph_t* graph) noexcept {
    recorder() = nullptr;
    return cudaStreamEndCapture(stream_, graph);
  }
  /// The context in which this thread records, or null.
  static CudaContext*& recorder() {
    thread_local CudaContext* context = nullptr;
    return context;
  }
  /// Keeps what recorded work uses until somebody waits for that, or it is dropped because it is never done.
  void hold(std::shared_ptr<void> memory) { held_.push_back(std::move(memory)); }
  void drop_held() { held_.clear(); }
  /// Host memory for bytes that recorded work reads.
  std::shared_ptr<void> staging(std::size_t bytes) { return staging_.allocate(bytes); }

 private:
  static constexpr int float_sums = CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;
  static CudaContext*& chosen() {
    thread_local CudaContext* context = nullptr;
    return context;
  }
  void release() noexcept {
    if (stream_) cudaStreamSynchronize(stream_);
    if (blas_) cublasDestroy(blas_);
    if (stream_) cudaStreamDestroy(stream_);
  }

  cudaStream_t stream_ = nullptr;
  cublasHandle_t blas_ = nullptr;
  kernels::FusedProducts fused_products_;
  std::shared_ptr<void> workspace_;
  Pool<Cuda> pool_;
  Pool<Pinned> staging_;
  std::vector<std::shared_ptr<void>> held_;
};

inline const void* Cuda::queue() { return &CudaContext::current(); }
inline Pool<Cuda>& Cuda::pool() { return CudaContext::current().pool(); }
inline bool Cuda::recording() { return CudaContext::recorder() != nullptr; }
inline void Cuda::release(void* p) noexcept {
  if (recording())  // what is recorded may use it, and has not been done
    CudaContext::recorder()->hold(std::shared_ptr<void>(p, [](void* q) { cudaFree(q); }));
  else
    cudaFree(p);
}
inline void Cuda::zero(void* p, std::size_t bytes) {
  if (bytes == 0) return;
  kernels::check(cudaMemsetAsync(p, 0, bytes, CudaContext::current().stream()), "clearing memory");
}
inline void Cuda::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  kernels::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, CudaContext::current().stream()),
                 "copying on the device");
}
inline void Cuda::from_host(void* to, const void* from, std::size_t bytes) {
  CudaContext& context = CudaContext::current();
  if (bytes == 0) return;
  if (context.recording()) {  // read when the graph runs: `from` may be gone by then
    const std::shared_ptr<void> kept = context.staging(bytes);
    std::memcpy(kept.get(), from, bytes);
    context.hold(kept);
    from = kept.get();
  }
  kernels::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, context.stream()), "copying to the device");
  if (!context.recording()) context.synchronize();
}
inline void Cuda::to_host(void* to, const void* from, std::size_t bytes) {
  CudaContext& context = CudaContext::current();
  if (context.recording()) context.synchronize();  // throws: there is nothing to read yet
  kernels::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, context.stream()), "copying to the host");
  context.synchronize();
}

}  // namespace modelgrow::inline v0
