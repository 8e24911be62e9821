// SPDX-License-Identifier: MIT
// Kernels of CUDA Tile C++ for attention and dense convolution in bf16, which the compiler puts on a Hopper's or
// Blackwell's own matrix instructions. Needs nvcc 13.5 or later with --enable-tile (target modelgrow::cuda_tiles).
#pragma once
#if !__has_include(<cuda_tile.h>)
#error \
    "modelgrow/backend/cuda_tiles.cuh needs cuda_tile.h: CUDA 13.5 or later, with its package tileiras, and --enable-tile"
#endif
#include <modelgrow/backend/cuda.cuh>
#include <modelgrow/backend/cuda/tiles/operations.cuh>

namespace modelgrow::inline v0 {
namespace kernels {

template <class Program, class... A>
__tile_global__ void run_tiles(A... a) {
  Program{a...}(cuda::tiles::bid().x);
}

struct TileExecutor : GpuExecutor {
  /// Throws device_error if the device refuses the program.
  template <class Program, class... A>
  static void run_tiles(Index blocks, A... a) {
    if (blocks == 0) return;
    CudaContext& context = CudaContext::current();
    kernels::run_tiles<Program, A...><<<unsigned(blocks), 1, 0, context.stream()>>>(a...);
    check(cudaGetLastError(),
          "launching a program of tiles (for the architectures of -arch or CMAKE_CUDA_ARCHITECTURES)");
    if (waits_for_each_launch() && !context.recording())
      check(cudaStreamSynchronize(context.stream()), "running a program of tiles");
  }
};

}  // namespace kernels

/// From here on attention with heads of 64, 72, 96 or 128 channels and dense temporal convolution, both in bf16, are
/// programs of CUDA Tile C++, in every thread and file of the program; returns whether they are: only on devices of
/// compute capability 9 and 10, where they take fewer instructions. Call it before other work of modelgrow.
inline bool use_tile_kernels() {
  int device = 0, major = 0;
  kernels::check(cudaGetDevice(&device), "asking for the current device");
  kernels::check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "asking for its kind");
  if (major != 9 && major != 10) return false;
  using Operations = kernels::TileOperations<kernels::TileExecutor>;
  kernels::TileKernels<kernels::GpuExecutor>::in_use = {
      .attention = Operations::attention, .attention_dx = Operations::attention_dx, .convolve = Operations::convolve};
  return true;
}

}  // namespace modelgrow::inline v0
