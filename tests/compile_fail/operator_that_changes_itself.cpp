// SPDX-License-Identifier: MIT
// An operator that changes itself cannot be said twice.
// expect: constraints not satisfied.*Operator<auto.*Wider
#include <modelgrow/grow/plan.hpp>

struct Wider {
  static constexpr std::string_view name = "Wider";
  void apply(modelgrow::Plan&) {}
};
auto plan = modelgrow::plan(modelgrow::Schema{}, Wider{});
