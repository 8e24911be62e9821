// SPDX-License-Identifier: MIT
// The other translation unit: see first.cpp.
#include <modelgrow/version.hpp>

int second() { return MODELGROW_VERSION_MINOR; }
