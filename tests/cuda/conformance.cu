// SPDX-License-Identifier: MIT
// Every operation of the CUDA backend, on a GPU, against the CPU backend; the same calls that cuda_on_host/parity.cpp
// makes to the emulated GPU. Without a GPU the cases warn and pass.
#include <modelgrow/cuda.cuh>

#include "tests/support/backend_contract.hpp"
#include "tests/support/backend_parity.hpp"
#include "tests/support/few_tokens_parity.hpp"
#include "tests/support/gpu.cuh"

using namespace modelgrow;

TEST_CASE("the CUDA backend implements the contract in float and bf16") {
  CHECK(testing::implements_contract<Cuda, float>());
  CHECK(testing::implements_contract<Cuda, bf16>());
}

// For nvcc too, so that language models, which run on the CPU, compile in a program with CUDA.
static_assert(HasInference<Cpu>);

#define EACH_TYPE(what, check)                                    \
  TEMPLATE_TEST_CASE(what " on the GPU", "", float, bf16) {       \
    if (testing::gpu_present()) testing::check<Cuda, TestType>(); \
  }

EACH_TYPE("linear layers", check_linear)
EACH_TYPE("elementwise operations", check_elementwise)
EACH_TYPE("normalisation", check_norm)
EACH_TYPE("modulation and gates", check_modulate)
EACH_TYPE("attention", check_attention)
EACH_TYPE("attention of few tokens", check_attention_of_few_tokens)
EACH_TYPE("temporal convolution", check_temporal_conv)
EACH_TYPE("temporal convolution at odd addresses", check_temporal_conv_at_odd_addresses)
EACH_TYPE("patches", check_patches)
EACH_TYPE("time, tokens, dropped captions", check_text)
EACH_TYPE("the loss", check_loss)
EACH_TYPE("the optimizer", check_optimizer)
