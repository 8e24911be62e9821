// SPDX-License-Identifier: MIT
// The whole contract of backend.hpp for anything that can launch a kernel.
//
// Exec has `Device`, whose pool() is for scratch memory, and the static functions
//     launch(kernel)                                          runs kernel.blocks() blocks of K::threads
//     multiply(MatrixSize, Transposed, a, b, Write, c)        c = a b or c += a b in Stat<T>; c in T or Stat<T>
//     multiply_with(epilogue, ..the same)                     with what epilogue.hpp says; false: it cannot, and did
//                                                             nothing
// It is the GPU in backend/cuda.cuh, and the host in the tests.
#pragma once
#include <modelgrow/backend/cuda/adamw.hpp>
#include <modelgrow/backend/cuda/attention_operations.hpp>
#include <modelgrow/backend/cuda/elementwise.hpp>
#include <modelgrow/backend/cuda/linear.hpp>
#include <modelgrow/backend/cuda/modulate.hpp>
#include <modelgrow/backend/cuda/norm_operations.hpp>
#include <modelgrow/backend/cuda/patches.hpp>
#include <modelgrow/backend/cuda/sums.hpp>
#include <modelgrow/backend/cuda/temporal_conv.hpp>
#include <modelgrow/backend/cuda/text.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

template <class Exec>
struct Operations : LinearOperations<Exec>,
                    ElementwiseOperations<Exec>,
                    NormOperations<Exec>,
                    ModulateOperations<Exec>,
                    SumOperations<Exec>,
                    AttentionOperations<Exec>,
                    TemporalConvOperations<Exec>,
                    PatchOperations<Exec>,
                    TextOperations<Exec>,
                    AdamWOperations<Exec> {
  using Executor = Exec;
};

}  // namespace kernels

template <class T, Device D>
requires requires { typename Backend<D>::Executor; }
class LaterSums<T, D> {
  using Operations = Backend<D>;

 public:
  void norm_modulate_dx(ModulateSize s, auto... operands) { Operations::begin_norm_modulate_dx(sums_, s, operands...); }
  void gate_residual_dx(ModulateSize s, auto... operands) { Operations::begin_gate_residual_dx(sums_, s, operands...); }
  void add_up() { sums_.add_up(); }

 private:
  kernels::WaitingSums<typename Operations::Executor, Stat<T>> sums_;
};

}  // namespace modelgrow::inline v0
