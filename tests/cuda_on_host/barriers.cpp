// SPDX-License-Identifier: MIT
// Defects on purpose: each barrier of each kernel is left out once, and the result must be wrong in some order of
// threads. So no barrier is superfluous, and the emulator would have seen it missing.
#include "tests/cuda_on_host/support/calls_with_barriers.hpp"
#include "tests/cuda_on_host/support/emulated.hpp"
#include "tests/support/parity.hpp"

using namespace modelgrow;
using emulator::Defect;
using kernels::Index;

namespace {

/// Whether the call in type T gives the right result in every order of threads.
template <class T, class Call>
bool right(Call call, const Defect& defect) {
  testing::Side<double, Cpu, T> reference;
  call(reference);
  const testing::Allowance allowance{.factor = std::same_as<T, bf16> ? 2 * testing::rounded_factor.factor : 0};
  for (const emulator::Order order : emulator::orders) {
    testing::Side<T, Emulated, T> device;
    Emulated::pool().trim();  // scratch memory starts as NaN, not as what the last run left there
    try {
      Emulated::machine().configure({.order = order, .most_blocks = 1, .defect = defect});
      call(device);
      if (!testing::difference(device.outcomes(), reference.outcomes(), 1e-5, allowance).empty()) return false;
    } catch (const emulator::Misuse&) {
      return false;
    }
  }
  return true;
}

/// Leaves out the barriers that the threads of the only block pass, one at a time. `period` is their number in the body
/// of the loop over work items; each of them must be missed in some pass.
template <class T = float, class Call>
void check_barriers(Index Defect::*kind, Index period, std::vector<std::size_t> launches, Call call) {
  REQUIRE(right<T>(call, {}));
  const auto counts = Emulated::machine().launches();
  for (const std::size_t launch : launches) {
    const Index passed = kind == &Defect::sync ? counts.at(launch).syncs : counts.at(launch).warp_syncs;
    REQUIRE(passed > period);
    for (Index barrier = 0; barrier < period; ++barrier) {
      bool missed = false;
      for (Index i = barrier; i < passed && !missed; i += period) {
        Defect defect{.launch = launch};
        defect.*kind = i;
        missed = !right<T>(call, defect);
      }
      CAPTURE(launch, barrier);
      CHECK(missed);
    }
  }
  Emulated::machine().configure({});
}

}  // namespace

TEST_CASE("every barrier of a column sum is needed and seen") {
  check_barriers(&Defect::sync, 2, {0, 1}, testing::ColumnSumCall{});
}
TEST_CASE("every barrier of the gradients of a norm is needed and seen") {
  check_barriers(&Defect::sync, 2, {0, 1}, testing::NormDxCall{});
}

TEST_CASE("every barrier of a sum over everything is needed and seen") {
  check_barriers(&Defect::sync, 2, {0}, testing::SumOfSquaresCall{});
  check_barriers(&Defect::sync, 2, {0}, testing::MseCall{});
}

TEST_CASE("every barrier of the gradient of an embedding is needed and seen") {
  check_barriers(&Defect::sync, 3, {0}, testing::EmbeddingDxCall{});
}

TEST_CASE("every barrier of attention is needed and seen") {
  check_barriers(&Defect::sync, 2, {0}, testing::AttentionCall{});
  check_barriers(&Defect::warp_sync, 1, {0}, testing::AttentionCall{});
  check_barriers(&Defect::sync, 2, {1, 2}, testing::AttentionDxCall{});
  check_barriers(&Defect::warp_sync, 1, {1, 2}, testing::AttentionDxCall{});
  check_barriers(&Defect::warp_sync, 1, {0}, testing::JoinAttentionCall{});
}

TEST_CASE("every barrier of attention on matrix units is needed and seen") {
  check_barriers<bf16>(&Defect::sync, 5, {0}, testing::MatrixAttentionCall{});
  check_barriers<bf16>(&Defect::warp_sync, 1, {0}, testing::MatrixAttentionCall{});
  check_barriers<bf16>(&Defect::sync, 5, {0}, testing::MatrixAttentionDxCall{});
  check_barriers<bf16>(&Defect::warp_sync, 2, {0}, testing::MatrixAttentionDxCall{});
  check_barriers<bf16>(&Defect::sync, 4, {1}, testing::MatrixAttentionDxCall{});
  check_barriers<bf16>(&Defect::warp_sync, 2, {1}, testing::MatrixAttentionDxCall{});
}

TEST_CASE("every barrier of the gradients of depthwise convolution is needed and seen") {
  check_barriers(&Defect::sync, 2, {0}, testing::DepthwiseConvDxCall{});
  check_barriers<bf16>(&Defect::sync, 2, {0}, testing::DepthwiseConvDxCall{});
}

TEST_CASE("every barrier of dense convolution on matrix units is needed and seen") {
  check_barriers<bf16>(&Defect::sync, testing::DenseConvCall::steps + 1, {1}, testing::DenseConvCall{});
  check_barriers<bf16>(&Defect::warp_sync, 3, {1}, testing::DenseConvCall{});
}
