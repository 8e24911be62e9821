// SPDX-License-Identifier: MIT
// Where kernels of CUDA Tile C++ stand in for those on matrix units, when a program asks for them (cuda_tiles.cuh):
// only compilers from nvcc 13.5 on know them, so a program's other files cannot be compiled with them.
#pragma once
#include <modelgrow/backend/cuda/dense_conv_mma.hpp>
#include <modelgrow/backend/cuda/kernel.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// What is asked before the kernels on matrix units, about problems that suit those; null: nothing is. Each returns
/// false, and has done nothing, where it would rather not. Set before there is work, not while others give some out.
template <class Exec>
struct TileKernels {
  bool (*attention)(const AttentionSize&, float scale, const std::int32_t* lengths /*?*/, const bf16* q, const bf16* k,
                    const bf16* v, bf16* out, float* lse) = nullptr;
  bool (*attention_dx)(const AttentionSize&, float scale, const std::int32_t* lengths /*?*/, const bf16* q,
                       const bf16* k, const bf16* v, const bf16* out, const float* lse, const bf16* dout, bf16* dq,
                       bf16* dk, bf16* dv) = nullptr;
  bool (*convolve)(ConvDirection, const TemporalConvSize&, const bf16* x, const bf16* taps, const bf16* b /*?*/,
                   bf16* y) = nullptr;
  static inline TileKernels in_use{};
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
