// SPDX-License-Identifier: MIT
// Products of fragments as nvcc's PTX. The interpreter has its own copy of what the PTX manual says of their layout.
#include "tests/support/fragment_check.hpp"

#include "tests/cuda_on_host/support/interpreted.hpp"

using namespace modelgrow;

TEST_CASE("fragments multiply as matrices do as nvcc's PTX") {
  for (const emulator::Order order : emulator::orders)
    for (const emulator::Copies copies : emulator::copy_times) {
      Interpreted::machine().configure({.order = order, .copies = copies});
      testing::check_fragments<kernels::PtxExecutor>();
    }
  Interpreted::machine().configure({});
}
