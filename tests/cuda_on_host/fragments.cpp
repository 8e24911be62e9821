// SPDX-License-Identifier: MIT
// Products of fragments on the emulated GPU.
#include "tests/support/fragment_check.hpp"

#include "tests/cuda_on_host/support/emulated.hpp"

using namespace modelgrow;

TEST_CASE("fragments multiply as matrices do on the emulated GPU") {
  for (const emulator::Order order : emulator::orders)
    for (const emulator::Copies copies : emulator::copy_times) {
      Emulated::machine().configure({.order = order, .copies = copies});
      testing::check_fragments<kernels::HostExecutor>();
    }
  Emulated::machine().configure({});
}
