// SPDX-License-Identifier: MIT
// A communicator of NCCL and the stream that it works on: what is given to that stream begins behind the work of the
// thread's CudaContext, and a failure, also one that shows later, ends the communicator. Not yet run on hardware.
#pragma once
#include <nccl.h>

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <modelgrow/backend/cuda/context.cuh>
#include <modelgrow/dist/pending.hpp>

namespace modelgrow::inline v0::detail {

/// A place in a stream.
class CudaEvent {
 public:
  CudaEvent() { kernels::check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "creating an event"); }
  ~CudaEvent() { cudaEventDestroy(event_); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  void record(cudaStream_t stream) { kernels::check(cudaEventRecord(event_, stream), "recording an event"); }
  /// What the stream is given from now on begins behind that place.
  void hold_back(cudaStream_t stream) const {
    kernels::check(cudaStreamWaitEvent(stream, event_, 0), "ordering two streams");
  }
  bool passed() const {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) return false;
    kernels::check(status, "asking for an event");
    return true;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

/// One rank's end of a communicator, on the device that was current when it was made.
class NcclLink {
 public:
  /// Meets the other ranks. Throws communication_error, device_error.
  NcclLink(int ranks, const ncclUniqueId& id, int rank) : rank_(rank), exceptions_(std::uncaught_exceptions()) {
    require(ncclCommInitRank(&group_, ranks, id, rank), "ncclCommInitRank");
    try {
      int lowest = 0, highest = 0;  // what others wait for comes before this rank's kernels
      kernels::check(cudaDeviceGetStreamPriorityRange(&lowest, &highest), "asking for priorities of streams");
      kernels::check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, highest), "creating a stream");
    } catch (...) {
      end();
      throw;
    }
  }
  /// Ends in order, with the other ranks; by an exception at once, since they may not come.
  ~NcclLink() {
    if (group_ && std::uncaught_exceptions() > exceptions_) end();
    if (stream_) cudaStreamSynchronize(stream_);
    if (group_) ncclCommDestroy(group_);
    if (stream_) cudaStreamDestroy(stream_);
  }
  NcclLink(const NcclLink&) = delete;
  NcclLink& operator=(const NcclLink&) = delete;

  int rank() const { return rank_; }
  cudaStream_t stream() const { return stream_; }
  /// Throws communication_error when an earlier failure has ended it.
  ncclComm_t group(std::string_view call) const {
    if (!group_)
      throw communication_error(std::string(call) + " on rank " + std::to_string(rank_) +
                                ": the communicator was given up when " + failure_);
    return group_;
  }
  /// Unless the result is success, ends the communicator and throws communication_error with call, rank and reason.
  void require(ncclResult_t result, std::string_view call) {
    if (result == ncclSuccess) return;
    failure_ = std::string(call) + " failed on rank " + std::to_string(rank_) + ": " + ncclGetErrorString(result);
    if (const char* more = ncclGetLastError(group_); more && *more) failure_ += std::string(" (") + more + ")";
    end();
    throw communication_error(failure_ +
                              "; see whether all ranks live and call the same operations in the same order, and what "
                              "NCCL_DEBUG=INFO says");
  }
  /// The same for what went wrong since the calls returned.
  void require_no_late_failure(std::string_view call) {
    ncclResult_t result = ncclSuccess;
    require(ncclCommGetAsyncError(group(call), &result), "ncclCommGetAsyncError");
    require(result, call);
  }

 private:
  /// Ends what goes on without waiting for anybody.
  void end() noexcept {
    if (group_) ncclCommAbort(std::exchange(group_, nullptr));
  }

  int rank_, exceptions_;
  ncclComm_t group_ = nullptr;
  cudaStream_t stream_ = nullptr;
  std::string failure_;
};

/// An operation that a link works on; it has ended when the stream has come behind what it had been given at begun().
class NcclOperation final : public Pending::Operation {
 public:
  NcclOperation(NcclLink& link, std::string_view call) : link_(link), call_(call) {}
  void begun() { end_.record(link_.stream()); }
  bool test() override {
    link_.group(call_);
    if (end_.passed()) return true;
    link_.require_no_late_failure(call_);
    return false;
  }
  /// The host waits too: a stream that waited alone would wait for ever for a rank that has died.
  void wait() override {
    while (!test()) std::this_thread::yield();
  }

 private:
  NcclLink& link_;
  std::string_view call_;
  CudaEvent end_;
};

}  // namespace modelgrow::inline v0::detail
