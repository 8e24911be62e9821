// SPDX-License-Identifier: MIT
// Attention on emulated matrix units against the CPU backend.
#include "tests/cuda_on_host/support/modes.hpp"
#include "tests/support/attention_check.hpp"

using namespace modelgrow;

TEST_CASE("attention at the edges of tiles on emulated matrix units") {
  testing::check_attention_on_matrix_units<Emulated>(0, 1);
  testing::check_attention_with_parts_of_queries<Emulated>();
  testing::check_interleaved_attention_on_matrix_units<Emulated>();
}

TEST_CASE("attention that matrix units cannot load is left to other kernels") {
  testing::check_attention_at_odd_addresses<Emulated>();
}

TEST_CASE("attention on matrix units whose scores are very low") {
  testing::check_attention_with_low_scores<Emulated>();
}

TEST_CASE("attention on matrix units without queries") { testing::check_attention_dx_without_queries<Emulated>(); }

TEST_CASE("attention on matrix units leaves the same bits however threads and copies take turns") {
  testing::check_bits_of_attention_on_matrix_units<Emulated>();
}
