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

using Tiles = kernels::TileKernels<kernels::GpuExecutor>;
Tiles given;    // by use_tile_kernels()
int taken = 0;  // calls that programs of tiles did

template <auto member, class... A>
bool counted(A... a) {
  const bool ran = (given.*member)(a...);
  taken += ran ? 1 : 0;
  return ran;
}
template <auto member, class... A>
void count(bool (*&in_use)(A...)) {
  in_use = &counted<member, A...>;
}

bool tiles_in_use() {
  if (!testing::gpu_present()) return false;
  if (!use_tile_kernels()) {
    WARN("skipped: this GPU is not for programs of tiles");
    return false;
  }
  given = Tiles::in_use;
  count<&Tiles::attention>(Tiles::in_use.attention);
  count<&Tiles::attention_dx>(Tiles::in_use.attention_dx);
  count<&Tiles::convolve>(Tiles::in_use.convolve);
  taken = 0;
  return true;
}

}  // namespace

TEST_CASE("attention as programs of tiles on the GPU") {
  if (!tiles_in_use()) return;
  testing::check_attention_on_matrix_units<Cuda>(0, 1);
  testing::check_interleaved_attention_on_matrix_units<Cuda>();
  CHECK(taken > 0);
  const int before = taken;
  testing::check_attention_with_low_scores<Cuda>();
  CHECK(taken == before + 2);
  testing::check_attention_with_equal_scores<Cuda>();
  CHECK(taken == before + 3);
  testing::check_attention_dx_without_queries<Cuda>();
  CHECK(taken == before + 4);
}

TEST_CASE("dense convolution as a program of tiles on the GPU") {
  if (!tiles_in_use()) return;
  testing::check_dense_conv_on_matrix_units<Cuda>(0, 1);
  CHECK(taken > 0);
  const int before = taken;
  testing::check_dense_conv_of_large_frames<Cuda>();
  CHECK(taken >= before + 4 * 2);  // each forward and backward
}

TEST_CASE("programs of tiles on the GPU leave the same bits in every run") {
  if (!tiles_in_use()) return;
  testing::check_bits_of_attention<Cuda>(200, 270, 72);
  testing::check_bits_of_dense_conv_of_large_frames<Cuda>();
  CHECK(taken == 2 * (1 + 1) + 2 * 2);  // all of it, twice
}
