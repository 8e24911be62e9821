// SPDX-License-Identifier: MIT
// Every kernel that runs on the device Interpreted, for nvcc to turn into PTX: those that the tests start.
#include <modelgrow/backend/cuda.cuh>

#include "tests/cuda_on_host/support/planted.hpp"
#include "tests/support/backend_parity.hpp"
#include "tests/support/few_tokens_parity.hpp"
#include "tests/support/fragment_check.hpp"

using namespace modelgrow;

template void testing::check_backend_parity<Cuda, float>();
template void testing::check_backend_parity<Cuda, bf16>();
template void testing::check_attention_of_few_tokens<Cuda, bf16>();
template void testing::check_fragments<kernels::GpuExecutor>();
template std::vector<std::string (*)()> testing::planted_runs<kernels::GpuExecutor>();
