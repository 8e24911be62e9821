// SPDX-License-Identifier: MIT
// A plan for machines: certificates, sizes, where blocks went, what upstream will say. plan.json is for replaying.
#pragma once
#include <modelgrow/detail/json.hpp>
#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/plan_print.hpp>

namespace modelgrow::inline v0 {

inline std::string summary_json(const Plan& plan) {
  using detail::json;
  const std::string why = plan.upstream_cannot();
  json j{{"family", plan.source().family},
         {"certificate", to_string(plan.certificate())},
         {"trajectory", to_string(plan.trajectory())},
         {"upstream", why.empty() ? "loads" : "cannot, because " + why},
         {"parameters", {{"base", plan.source().trained_elements()}, {"grown", plan.schema().trained_elements()}}},
         {"bytes", {{"base", total_bytes(plan.source())}, {"grown", total_bytes(plan.schema())}}},
         {"blocks", json::object()},
         {"steps", json::array()},
         {"notes", plan.notes()}};
  for (const auto& s : plan.schema().stacks) j["blocks"][s.name] = plan.block_map(s.name);
  for (const auto& s : plan.steps())
    j["steps"].push_back({{"by", s.by}, {"what", s.what}, {"certificate", to_string(s.function)}});
  return j.dump(2) + "\n";
}

}  // namespace modelgrow::inline v0
