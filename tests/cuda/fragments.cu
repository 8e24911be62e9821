// SPDX-License-Identifier: MIT
// Products of fragments on a GPU: whether its layout is the one that is written in fragments.hpp.
#include <modelgrow/cuda.cuh>

#include "tests/support/fragment_check.hpp"
#include "tests/support/gpu.cuh"

using namespace modelgrow;

TEST_CASE("fragments multiply as matrices do on the GPU") {
  if (testing::gpu_present()) testing::check_fragments<kernels::GpuExecutor>();
}
