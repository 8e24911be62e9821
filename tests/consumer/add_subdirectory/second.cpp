// SPDX-License-Identifier: MIT
// The other translation unit: see first.cpp.
#include <modelgrow/core/describe.hpp>
#include <modelgrow/core/schema.hpp>

modelgrow::Shape second() { return {2, 3}; }
