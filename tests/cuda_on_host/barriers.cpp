// SPDX-License-Identifier: MIT
// Defects on purpose: each barrier of each kernel is left out once, and the result must be wrong in some order of
// threads. So no barrier is superfluous, and the emulator would have seen it missing.
#include "tests/cuda_on_host/support/emulated.hpp"
#include "tests/support/parity.hpp"

using namespace modelgrow;
using emulator::Defect;
using kernels::Index;

namespace {

using Reference = testing::Side<double, Cpu, float>;
using Device = testing::Side<float, Emulated, float>;

/// Whether the call gives the right result in every order of threads.
template <class Call>
bool right(Call call, const Defect& defect) {
  Reference reference;
  call(reference);
  bool all = true;
  for (const emulator::Order order : emulator::orders) {
    Device device;
    try {
      Emulated::machine().configure({.order = order, .most_blocks = 1, .defect = defect});
      call(device);
      all = all && testing::difference(device.outcomes(), reference.outcomes(), 1e-5).empty();
    } catch (const emulator::Misuse&) {
      all = false;
    }
  }
  return all;
}

/// Leaves out the barriers that the threads of the only block pass, one at a time. `period` is their number in the body
/// of the loop over work items; each of them must be missed in some pass.
template <class Call>
void check_barriers(Index Defect::*kind, Index period, std::vector<std::size_t> launches, Call call) {
  REQUIRE(right(call, {}));
  const auto counts = Emulated::machine().launches();
  for (const std::size_t launch : launches) {
    const Index passed = kind == &Defect::sync ? counts.at(launch).syncs : counts.at(launch).warp_syncs;
    REQUIRE(passed > period);
    for (Index barrier = 0; barrier < period; ++barrier) {
      bool missed = false;
      for (Index i = barrier; i < passed && !missed; i += period) {
        Defect defect{.launch = launch};
        defect.*kind = i;
        missed = !right(call, defect);
      }
      CAPTURE(launch, barrier);
      CHECK(missed);
    }
  }
  Emulated::machine().configure({});
}

}  // namespace

TEST_CASE("every barrier of a column sum is needed and seen") {
  check_barriers(&Defect::sync, 2, {0}, [](auto& side) {
    auto* x = side.values(600 * 40, 1);  // two parts of two tiles
    side.backend.column_sum(600, 40, x, side.statistics(40, 2));
  });
}

TEST_CASE("every barrier of a sum over everything is needed and seen") {
  check_barriers(&Defect::sync, 2, {0}, [](auto& side) {
    auto* x = side.values(40000, 1);
    side.backend.sum_of_squares(40000, x, side.given(std::vector<double>{0}));
  });
}

TEST_CASE("every barrier of the gradient of an embedding is needed and seen") {
  const std::vector<std::int32_t> ids{0, 1, 0, 2, 1, 1, 3};
  check_barriers(&Defect::sync, 3, {0}, [&](auto& side) {
    const auto n = std::int64_t(ids.size());
    auto* dy = side.values(n * 3, 1);
    side.backend.embedding_dx(n, 3, side.given(ids), dy, side.statistics(4 * 3, 2));
  });
}

TEST_CASE("every barrier of attention is needed and seen") {
  const std::int64_t queries = 35, keys = 37, d = 5;
  const AttentionSize::Strides q{0, 0, d}, kv{0, 0, d};
  const AttentionSize s{1, 1, queries, keys, 1, d, q, kv, q};
  const auto forward = [&](auto& side) {
    auto *q = side.values(queries * d, 1), *k = side.values(keys * d, 2), *v = side.values(keys * d, 3);
    side.backend.attention(s, nullptr, q, k, v, side.fresh(queries * d), side.fresh_statistics(queries));
  };
  check_barriers(&Defect::sync, 2, {0}, forward);
  check_barriers(&Defect::warp_sync, 1, {0}, forward);
  const auto backward = [&](auto& side) {
    auto *q = side.values(queries * d, 1), *k = side.values(keys * d, 2), *v = side.values(keys * d, 3);
    auto *out = side.values(queries * d, 4), *dout = side.values(queries * d, 5);
    auto* lse = side.statistics(queries, 6);
    side.backend.attention_dx(s, nullptr, q, k, v, out, lse, dout, side.fresh(queries * d), side.fresh(keys * d),
                              side.fresh(keys * d));
  };
  check_barriers(&Defect::sync, 2, {1, 2}, backward);  // the first launch computes delta, without barriers
  check_barriers(&Defect::warp_sync, 1, {1, 2}, backward);
}
