// SPDX-License-Identifier: MIT
// The kernels as nvcc compiles them, interpreted, against the CPU backend.
#include "tests/cuda_on_host/support/interpreted.hpp"
#include "tests/support/attention_check.hpp"
#include "tests/support/backend_parity.hpp"
#include "tests/support/few_tokens_parity.hpp"

using namespace modelgrow;

template <>
struct modelgrow::testing::Modes<Interpreted> {
  template <class F>
  static void for_each(F&& f) {
    for (const emulator::Order order : emulator::orders) {
      Interpreted::machine().configure({.order = order});
      f();
    }
    Interpreted::machine().configure({});
  }
};

#define EACH_TYPE(what, check) \
  TEMPLATE_TEST_CASE(what " as nvcc's PTX", "", float, bf16) { testing::check<Interpreted, TestType>(); }

EACH_TYPE("linear layers", check_linear)
EACH_TYPE("elementwise operations", check_elementwise)
EACH_TYPE("normalisation", check_norm)
EACH_TYPE("modulation and gates", check_modulate)
EACH_TYPE("attention", check_attention)
TEST_CASE("attention of few tokens in bf16 as nvcc's PTX") {
  testing::check_attention_of_few_tokens<Interpreted, bf16>();
}
EACH_TYPE("temporal convolution", check_temporal_conv)
EACH_TYPE("temporal convolution at odd addresses", check_temporal_conv_at_odd_addresses)
EACH_TYPE("patches", check_patches)
EACH_TYPE("time, tokens, dropped captions", check_text)
EACH_TYPE("the loss", check_loss)
EACH_TYPE("the optimizer", check_optimizer)

TEST_CASE("attention on matrix units as nvcc's PTX") {
  testing::check_attention_on_matrix_units<Interpreted>(0, 9);
  testing::check_attention_with_parts_of_queries<Interpreted>();
  testing::check_interleaved_attention_on_matrix_units<Interpreted>();
}
