// SPDX-License-Identifier: MIT
// The ranks that run these tests: every rank runs every test.
#pragma once
#include <modelgrow/dist/mpi.hpp>

namespace modelgrow::testing {

/// The one group of the program.
Mpi& ranks();

}  // namespace modelgrow::testing
