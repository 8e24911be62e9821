// SPDX-License-Identifier: MIT
// The kernel bodies and the launch code of the CUDA backend, run by the emulator, against the CPU backend.
#include "tests/cuda_on_host/support/modes.hpp"
#include "tests/support/backend_contract.hpp"
#include "tests/support/backend_parity.hpp"
#include "tests/support/few_tokens_parity.hpp"

using namespace modelgrow;

TEST_CASE("the CUDA operations implement the contract for any executor") {
  CHECK(testing::implements_contract<Emulated, float>());
  CHECK(testing::implements_contract<Emulated, bf16>());
}

#define EACH_TYPE(what, check) \
  TEMPLATE_TEST_CASE(what " on the emulated GPU", "", double, float, bf16) { testing::check<Emulated, TestType>(); }

EACH_TYPE("linear layers", check_linear)
EACH_TYPE("elementwise operations", check_elementwise)
EACH_TYPE("normalisation", check_norm)
EACH_TYPE("modulation and gates", check_modulate)
EACH_TYPE("attention", check_attention)
TEST_CASE("attention of few tokens in bf16 on the emulated GPU") {
  testing::check_attention_of_few_tokens<Emulated, bf16>();
}
EACH_TYPE("temporal convolution", check_temporal_conv)
EACH_TYPE("temporal convolution at odd addresses", check_temporal_conv_at_odd_addresses)
EACH_TYPE("patches", check_patches)
EACH_TYPE("time, tokens, dropped captions", check_text)
EACH_TYPE("the loss", check_loss)
EACH_TYPE("the optimizer", check_optimizer)

TEST_CASE("sums leave the same bits however threads take turns") { testing::check_bits_of_sums<Emulated>(); }
