// SPDX-License-Identifier: MIT
// expect: constraints not satisfied.*Operator<auto.*Wider
#include <modelgrow/grow/plan.hpp>

struct Wider {
  void apply(modelgrow::Plan&) const {}
};
auto plan = modelgrow::plan(modelgrow::Schema{}, Wider{});
