// SPDX-License-Identifier: MIT
// expect: cannot convert 'Weights
#include <modelgrow/grow/plan.hpp>

struct Weights {};
auto plan = modelgrow::plan(Weights{});
