// SPDX-License-Identifier: MIT
// Calls that must leave the same bits however threads and copies take turns.
#pragma once
#include <vector>

#include "tests/support/parity.hpp"

namespace modelgrow::testing {

/// Whether a pass leaves the same bits in every mode of the device.
template <class D, class Call>
void check_same_bits(Call call) {
  std::vector<std::vector<Outcome>> runs;
  Modes<D>::for_each([&] {
    Side<bf16, D, bf16> side;
    call(side);
    runs.push_back(side.outcomes());
  });
  REQUIRE(runs.size() > 1);
  for (const auto& run : runs)
    for (std::size_t a = 0; a < run.size(); ++a) CHECK(run[a].values == runs[0][a].values);
}

}  // namespace modelgrow::testing
