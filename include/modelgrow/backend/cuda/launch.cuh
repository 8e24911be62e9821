// SPDX-License-Identifier: MIT
// How a kernel gets to the GPU.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <modelgrow/backend/cuda/context.cuh>
#include <modelgrow/backend/cuda/gpu_thread.cuh>

namespace modelgrow::inline v0 {
namespace kernels {

/// Blocks that a multiprocessor must have registers for; 0: as the compiler sees fit.
template <class Kernel>
constexpr int resident_blocks() {
  if constexpr (requires { Kernel::resident_blocks; })
    return Kernel::resident_blocks;
  else
    return 0;
}

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads, resident_blocks<Kernel>())
    run(const __grid_constant__ Kernel kernel) {
  extern __shared__ __align__(16) unsigned char memory[];
  kernel(GpuThread{}, *reinterpret_cast<typename Kernel::Shared*>(memory));
}

/// Whether each launch that is not recorded is waited for, so that an error names the kernel that made it:
/// MODELGROW_CUDA_SYNC=1.
inline bool waits_for_each_launch() {
  static const bool waits = [] {
    const char* wanted = std::getenv("MODELGROW_CUDA_SYNC");
    return wanted != nullptr && std::string_view(wanted) == "1";
  }();
  return waits;
}

/// Gives the kernel to the stream of the current context. Throws device_error if the device refuses it.
template <class Kernel>
void launch(const Kernel& kernel, std::source_location at = std::source_location::current()) {
  constexpr Index most_blocks = 1 << 16;  // kernels stride over the rest
  constexpr std::size_t shared = sizeof(typename Kernel::Shared);
  static_assert(sizeof(Kernel) <= most_argument_bytes);
  static_assert(shared <= 99 << 10, "every GPU from compute capability 8.0 on has 99 KiB of shared memory a block");
  const Index blocks = std::min(kernel.blocks(), most_blocks);
  if (blocks == 0) return;
  if constexpr (shared > 48 << 10)
    check(cudaFuncSetAttribute(run<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared)),
          "asking for shared memory", at);
  run<Kernel><<<unsigned(blocks), Kernel::threads, shared, CudaContext::current().stream()>>>(kernel);
  check(cudaGetLastError(), "launching a kernel (or running an earlier one: MODELGROW_CUDA_SYNC=1 tells which)", at);
  if (waits_for_each_launch() && !CudaContext::current().recording())
    check(cudaStreamSynchronize(CudaContext::current().stream()), "running a kernel", at);
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
