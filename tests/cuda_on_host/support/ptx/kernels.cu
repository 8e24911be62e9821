// SPDX-License-Identifier: MIT
// Every kernel that runs on the device Interpreted, for nvcc to turn into PTX: those that the parity suite starts.
#include <modelgrow/backend/cuda.cuh>

#include "tests/support/backend_parity.hpp"

template void modelgrow::testing::check_backend_parity<modelgrow::Cuda, float>();
template void modelgrow::testing::check_backend_parity<modelgrow::Cuda, modelgrow::bf16>();
