// SPDX-License-Identifier: MIT
// What holds for every plan, however it came about.
#pragma once
#include <sstream>

#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/grow/plan_from_json.hpp>
#include <modelgrow/grow/plan_print.hpp>
#include <tests/fuzz/support/target.hpp>

namespace modelgrow::testing {

inline void check_plan(const Plan& plan, const FindMap& find = {}) {
  const std::string text = to_json(plan);
  must(to_json(plan_from_json(text, plan.source(), find)) == text, "a plan comes back from its JSON");
  const auto recipes = plan.recipes();
  must(recipes.size() == plan.schema().parameters.size(), "every tensor has a recipe");
  for (std::size_t i = 0; i < recipes.size(); ++i) {
    const Recipe& r = recipes[i];
    const ParamSpec& p = plan.schema().parameters[i];
    must(r.name == p.name && r.shape == p.shape(), "recipes make what the schema promises");
    const auto stages = detail::stages_of(r);
    for (std::size_t a = 0; a < r.source_axes.size(); ++a) {
      const AxisMap total = detail::total_map(stages, a);
      const std::int64_t old = r.source_axes[a].size();
      must(std::int64_t(total.from.size()) == r.shape[int(a)] || (total.from.empty() && old == r.shape[int(a)]),
           "the maps of an axis end at its size");
      for (const auto i_old : total.from) must(i_old >= 0 && i_old < old, "maps stay inside of the source");
    }
  }
  changed_config(plan.source(), plan.schema());
  std::ostringstream() << plan;
}

}  // namespace modelgrow::testing
