// SPDX-License-Identifier: MIT
// Programs of tiles on a GPU against the CPU backend; the same calls that tiles_on_host/parity.cpp makes on the host.
// Without a GPU of compute capability 9 or 10 the cases warn and pass.
#include <modelgrow/backend/cuda_tiles.cuh>
#include <modelgrow/cuda.cuh>

#include "tests/support/attention_check.hpp"
#include "tests/support/gpu.cuh"
#include "tests/support/temporal_conv_check.hpp"

using namespace modelgrow;

namespace {

bool tiles_in_use() {
  if (!testing::gpu_present()) return false;
  if (use_tile_kernels()) return true;
  WARN("skipped: this GPU is not for programs of tiles");
  return false;
}

}  // namespace

TEST_CASE("attention as programs of tiles on the GPU") {
  if (!tiles_in_use()) return;
  testing::check_attention_on_matrix_units<Cuda>(0, 1);
  testing::check_interleaved_attention_on_matrix_units<Cuda>();
  testing::check_attention_with_low_scores<Cuda>();
}

TEST_CASE("dense convolution as a program of tiles on the GPU") {
  if (tiles_in_use()) testing::check_dense_conv_on_matrix_units<Cuda>(0, 1);
}

TEST_CASE("programs of tiles on the GPU leave the same bits in every run") {
  if (!tiles_in_use()) return;
  testing::check_bits_of_attention_on_matrix_units<Cuda>();
  testing::check_bits_of_temporal_conv<Cuda>();
}
