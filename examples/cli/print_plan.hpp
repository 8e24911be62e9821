// SPDX-License-Identifier: MIT
// A plan on the screen, as `plan` and `grow --dry-run` show it.
#pragma once
#include <modelgrow/grow/plan.hpp>

#include "tool.hpp"

namespace tool {

void print_plan(const mg::Plan& plan, bool json);

}  // namespace tool
