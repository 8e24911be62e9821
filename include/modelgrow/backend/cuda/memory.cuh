// SPDX-License-Identifier: MIT
// The device Cuda: memory of the GPU that is current when it is allocated.
#pragma once
#include <modelgrow/backend/cuda/check.cuh>
#include <modelgrow/core/device.hpp>
#include <modelgrow/core/pool.hpp>

namespace modelgrow::inline v0 {

/// GPU memory. Filling and copying are work of the thread's CudaContext, in order with its kernels; copies from and to
/// the host wait for the stream, so that host memory is free to change or ready to read. While the thread records a
/// graph (graph.cuh) nothing waits: bytes from the host are kept, and memory that is given back is freed, behind the
/// next wait; to_host() throws. Throws device_error.
struct Cuda {
  static void* allocate(std::size_t bytes) {
    void* p = nullptr;
    if (bytes == 0) bytes = 1;  // an empty tensor has an address of its own, as on the host
    const cudaError_t status = cudaMalloc(&p, bytes);
    if (status == cudaErrorMemoryAllocation) {
      std::size_t free = 0, total = 0;
      cudaMemGetInfo(&free, &total);
      cudaGetLastError();
      throw device_error("[cuda] out of memory: " + std::to_string(bytes) + " bytes asked for, " +
                         std::to_string(free) + " of " + std::to_string(total) +
                         " free; use a smaller batch or recompute activations" + (recording() ? held_back : ""));
    }
    kernels::check(status, "allocating memory");
    return p;
  }
  static void release(void* p) noexcept;
  static void zero(void* p, std::size_t bytes);
  static void copy(void* to, const void* from, std::size_t bytes);
  static void from_host(void* to, const void* from, std::size_t bytes);
  static void to_host(void* to, const void* from, std::size_t bytes);
  /// The thread's CudaContext, and its pool, which tapes and operations share.
  static const void* queue();
  static Pool<Cuda>& pool();
  /// Whether this thread records a graph.
  static bool recording();

 private:
  static constexpr const char* held_back =
      "; a graph is being recorded, which keeps unused memory too: or train without one (TrainerOptions::graph)";
};

/// Host memory that the GPU reads by itself.
struct Pinned {
  static void* allocate(std::size_t bytes) {
    void* p = nullptr;
    kernels::check(cudaMallocHost(&p, bytes), "allocating host memory for a copy");
    return p;
  }
  static void release(void* p) noexcept { cudaFreeHost(p); }
};

}  // namespace modelgrow::inline v0
