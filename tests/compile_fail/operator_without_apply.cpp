// SPDX-License-Identifier: MIT
// expect: constraints not satisfied.*Operator<auto.*Wider
#include <modelgrow/grow/plan.hpp>

struct Wider {
  static constexpr std::string_view name = "Wider";
};
auto plan = modelgrow::plan(modelgrow::Schema{}, Wider{});
