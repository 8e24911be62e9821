// SPDX-License-Identifier: MIT
// The CUDA backend with the host in place of the GPU, as work of the double's streams.
#pragma once
#include <modelgrow/backend/cuda/context.cuh>

#include <typeinfo>

#include "tests/nccl_on_host/support/cuda_double.hpp"

namespace modelgrow::inline v0 {
namespace kernels {

struct StreamExecutor {
  using Device = Cuda;
  template <class Kernel>
  static void launch(const Kernel& kernel) {
    give(typeid(Kernel).name(), [kernel] { Emulated::machine().launch(kernel); });
  }
  template <class T, class R>
  static void multiply(MatrixSize size, Transposed transposed, const T* a, const T* b, Write write, R* c) {
    give("product", [=] { emulator::multiply(size, transposed, a, b, write, c); });
  }
  template <class Epilogue, class T, class R>
  static bool multiply_with(const Epilogue&, MatrixSize, Transposed, const T*, const T*, Write, R*) {
    return false;
  }

 private:
  template <class F>
  static void give(const char* kind, F f) {
    cuda_double::give(CudaContext::current().stream(), {.begin =
                                                            [f] {
                                                              const cuda_double::Access access;
                                                              f();
                                                            },
                                                        .kind = kind});
  }
};

}  // namespace kernels

template <>
struct Backend<Cuda> : kernels::Operations<kernels::StreamExecutor> {};

}  // namespace modelgrow::inline v0
