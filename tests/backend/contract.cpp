// SPDX-License-Identifier: MIT
// The CPU backend has every function of the contract, with its exact type.
#include <modelgrow/backend/cpu.hpp>

#include "tests/support/backend_contract.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;

TEST_CASE("the CPU backend implements the contract in float and double") {
  CHECK(testing::implements_contract<Cpu, float>());
  CHECK(testing::implements_contract<Cpu, double>());
  CHECK(testing::implements_inference<Cpu, float>());
}
