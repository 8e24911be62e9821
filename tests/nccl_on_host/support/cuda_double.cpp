// SPDX-License-Identifier: MIT
#include "tests/nccl_on_host/support/graph_double.hpp"

#include <cublas_v2.h>

#include <cstring>
#include <map>
#include <set>

#include "tests/cuda_calls/cublaslt_double.hpp"

struct CUevent_st {
  cudaStream_t stream = nullptr;
  std::size_t place = 0;
  bool passed() const { return stream == nullptr || stream->reaches(place); }
};

namespace cuda_double {
namespace {

struct Objects {
  std::set<cudaStream_t> streams;
  int events = 0;
  std::map<void*, std::size_t> memory;
};
Objects& made() {
  static Objects objects;
  return objects;
}
std::map<std::string, int>& failures() {
  static std::map<std::string, int> failures;
  return failures;
}
cudaError_t result_of(const std::string& call) { return cudaError_t(failure_of(call)); }
cudaError_t make(cudaStream_t* stream, const std::string& call, const std::string& name) {
  if (const auto failed = result_of(call)) return failed;
  made().streams.insert(*stream = new CUstream_st{.name = name});
  return cudaSuccess;
}
void run(cudaStream_t stream) {
  while (!stream->reaches(stream->given)) {
  }
}

}  // namespace

std::vector<std::string>& log() {
  static std::vector<std::string> log;
  return log;
}
void fail(const std::string& call, int status) { failures()[call] = status; }
int failure_of(const std::string& call) {
  const auto found = failures().find(call);
  if (found == failures().end()) return 0;
  const int status = found->second;
  failures().erase(found);
  return status;
}
std::string name_of(cudaStream_t stream) { return stream->name; }
void give(cudaStream_t stream, Work work) {
  if (stream->recorded) {
    stream->recorded->work.push_back(std::move(work));
    return;
  }
  stream->work.push_back(std::move(work));
  ++stream->given;
}
bool is_on_device(const void* p) {
  const auto behind = made().memory.upper_bound(const_cast<void*>(p));
  if (behind == made().memory.begin()) return false;
  const auto& [begin, bytes] = *std::prev(behind);
  return p < static_cast<char*>(begin) + bytes;
}
int objects() { return int(made().streams.size() + made().memory.size()) + made().events; }
Gpus& gpus() {
  static Gpus gpus;
  return gpus;
}

}  // namespace cuda_double

using namespace cuda_double;

extern "C" {

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return make(stream, "cudaStreamCreate", "compute"); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  const bool own = flags == cudaStreamNonBlocking && priority == -5;
  return make(stream, "cudaStreamCreateWithPriority", own ? "own" : "of another kind");
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* lowest, int* highest) {
  *lowest = 0, *highest = -5;
  return result_of("cudaDeviceGetStreamPriorityRange");
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  run(stream);
  made().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream->recorded) {
    broken_rules().push_back("waiting for a stream that records");
    stream->broken = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  run(stream);
  return result_of("cudaStreamSynchronize");
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  log().push_back(stream->name + " waits for " + event->stream->name);
  give(stream, {.done = [place = *event] { return place.passed(); }});
  return result_of("cudaStreamWaitEvent");
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  if (flags != cudaEventDisableTiming) return cudaErrorInvalidValue;
  if (const auto failed = result_of("cudaEventCreateWithFlags")) return failed;
  *event = new CUevent_st;
  ++made().events;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event == nullptr) return cudaErrorInvalidValue;
  --made().events;
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  log().push_back("record " + stream->name);
  *event = {.stream = stream, .place = stream->given};
  return result_of("cudaEventRecord");
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (const auto failed = result_of("cudaEventQuery")) return failed;
  return event->passed() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  if (const auto failed = result_of("cudaMalloc")) return failed;
  *p = modelgrow::Emulated::allocate(bytes);
  made().memory[*p] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* p) {
  for (const cudaStream_t stream : made().streams)
    if (stream->recorded) broken_rules().push_back("freeing memory while a stream records");
  for (const cudaStream_t stream : made().streams)
    if (stream->name == "compute") run(stream);
  const auto block = made().memory.find(p);
  if (block == made().memory.end()) return cudaErrorInvalidValue;
  {
    const Access access;
    std::memset(p, 0xff, block->second);  // no numbers, for whoever still reads
  }
  made().memory.erase(block);
  modelgrow::Emulated::release(p);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *free = *total = 0;
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream) {
  give(stream, {.begin =
                    [=] {
                      const Access access;
                      std::memset(p, value, bytes);
                    },
                .kind = "clear",
                .to = p});
  return result_of("cudaMemsetAsync");
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const bool to_host = kind == cudaMemcpyDeviceToHost;
  if (stream->recorded && kind != cudaMemcpyDeviceToDevice && !is_pinned(to_host ? to : from))
    broken_rules().push_back("recording a copy of host memory that is not pinned");
  give(stream, {.begin =
                    [=] {
                      const Access access;
                      std::memcpy(to, from, bytes);
                    },
                .kind = "copy " + std::to_string(kind),
                .to = to,
                .from = from});
  return result_of("cudaMemcpyAsync");
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = int(gpus().places.size());
  return result_of("cudaGetDeviceCount");
}
cudaError_t cudaDeviceGetPCIBusId(char* place, int bytes, int device) {
  const std::string& of_it = gpus().places.at(std::size_t(device));
  if (int(of_it.size()) >= bytes) return cudaErrorInvalidValue;
  std::strcpy(place, of_it.c_str());
  return result_of("cudaDeviceGetPCIBusId");
}
cudaError_t cudaSetDevice(int device) {
  gpus().chosen = device;
  return result_of("cudaSetDevice");
}

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  *handle = nullptr;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetStream_v2(cublasHandle_t, cudaStream_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void*, std::size_t) { return CUBLAS_STATUS_SUCCESS; }

}  // extern "C"
