// SPDX-License-Identifier: MIT
// The device layer of the GPU (kernel.hpp says what one is), and how a kernel gets there.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <modelgrow/backend/cuda/context.cuh>
#include <modelgrow/backend/cuda/kernel.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// One GPU thread.
struct GpuThread {
  MODELGROW_DEVICE unsigned thread() const { return threadIdx.x; }
  MODELGROW_DEVICE Index block() const { return blockIdx.x; }
  MODELGROW_DEVICE Index blocks() const { return gridDim.x; }

  MODELGROW_DEVICE void sync() const { __syncthreads(); }
  MODELGROW_DEVICE void sync_warp() const { __syncwarp(); }
  template <class A>
  MODELGROW_DEVICE A shuffle_xor(A v, int mask) const {
    return __shfl_xor_sync(~0u, v, mask);
  }

  MODELGROW_DEVICE float exp(float x) const { return ::expf(x); }
  MODELGROW_DEVICE float log(float x) const { return ::logf(x); }
  MODELGROW_DEVICE float tanh(float x) const { return ::tanhf(x); }
  MODELGROW_DEVICE float sqrt(float x) const { return ::sqrtf(x); }
  MODELGROW_DEVICE double sqrt(double x) const { return ::sqrt(x); }
  MODELGROW_DEVICE float cos(float x) const { return ::cosf(x); }
  MODELGROW_DEVICE float sin(float x) const { return ::sinf(x); }

  MODELGROW_DEVICE float widen(float v) const { return v; }
  MODELGROW_DEVICE float widen(bf16 v) const { return __uint_as_float(std::uint32_t(v.bits) << 16); }
  template <class T>
  MODELGROW_DEVICE T narrow(float v) const {
    if constexpr (std::same_as<T, float>) {
      return v;
    } else {
      static_assert(std::same_as<T, bf16>, "the CUDA backend stores float and bf16");
      T result;
      asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(v));  // to nearest even
      return result;
    }
  }
};

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads) run(const __grid_constant__ Kernel kernel) {
  extern __shared__ __align__(16) unsigned char memory[];
  kernel(GpuThread{}, *reinterpret_cast<typename Kernel::Shared*>(memory));
}

/// Whether each launch is waited for, so that an error names the kernel that made it: MODELGROW_CUDA_SYNC=1.
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
  static_assert(shared <= 99 << 10, "every GPU from compute capability 8.0 on has 99 KiB of shared memory a block");
  const Index blocks = std::min(kernel.blocks(), most_blocks);
  if (blocks == 0) return;
  if constexpr (shared > 48 << 10)
    check(cudaFuncSetAttribute(run<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared)),
          "asking for shared memory", at);
  run<Kernel><<<unsigned(blocks), Kernel::threads, shared, CudaContext::current().stream()>>>(kernel);
  check(cudaGetLastError(), "launching a kernel (or running an earlier one: MODELGROW_CUDA_SYNC=1 tells which)", at);
  if (waits_for_each_launch()) check(cudaStreamSynchronize(CudaContext::current().stream()), "running a kernel", at);
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
