// SPDX-License-Identifier: MIT
// Tests that need a GPU ask here first.
#pragma once
#include <cuda_runtime.h>

#include "tests/support/catch.hpp"

namespace modelgrow::testing {

/// Whether there is a GPU to test on; warns that the test proves nothing if not.
inline bool gpu_present() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return true;
  WARN("skipped: no GPU (" << cudaGetErrorString(status) << ")");
  return false;
}

}  // namespace modelgrow::testing
