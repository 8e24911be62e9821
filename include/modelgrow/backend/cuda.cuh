// SPDX-License-Identifier: MIT
// The CUDA backend (float, bf16) for compute capability 8.0 and later. Needs nvcc and cuBLAS.
#pragma once
#include <modelgrow/backend/cuda/graph.cuh>
#include <modelgrow/backend/cuda/launch.cuh>
#include <modelgrow/backend/cuda/multiply.cuh>
#include <modelgrow/backend/cuda/operations.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// The GPU as operations.hpp wants to see it.
struct GpuExecutor {
  using Device = Cuda;
  template <class Kernel>
  static void launch(const Kernel& kernel) {
    kernels::launch(kernel);
  }
  template <class T, class R>
  static void multiply(MatrixSize size, Transposed transposed, const T* a, const T* b, Write write, R* c) {
    kernels::multiply(size, transposed, a, b, write, c);
  }
  template <class Epilogue, class T, class R>
  static bool multiply_with(const Epilogue& epilogue, MatrixSize size, Transposed transposed, const T* a, const T* b,
                            Write write, R* c) {
    return kernels::multiply_with(epilogue, size, transposed, a, b, write, c);
  }
};

}  // namespace kernels

/// The contract of backend.hpp on a GPU, as work of the calling thread's CudaContext.
template <>
struct Backend<Cuda> : kernels::Operations<kernels::GpuExecutor> {};

}  // namespace modelgrow::inline v0
