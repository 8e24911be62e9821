// SPDX-License-Identifier: MIT
// The instances of laws.hpp, once for all tests.
#define MODELGROW_INSTANTIATE
#include <tests/support/laws.hpp>
