// SPDX-License-Identifier: MIT
// modelgrow diff: two checkpoints, by names, shapes and configuration; or two plans.
#include <modelgrow/checkpoint/difference.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/detail/atomic_file.hpp>

#include <iostream>

#include "input.hpp"

namespace tool {

namespace {
struct DiffRequest {
  std::string a, b, state_dict;
  bool json = false;
};

/// Keys lead into torch files only, and the other one may be none.
mg::Checkpoint open(const std::string& path, const std::string& state_dict) {
  return mg::Checkpoint::open(path, {.state_dict = mg::is_torch_file(path) ? state_dict : std::string()});
}

bool is_plan(const std::string& path) { return path.ends_with(".json") && !path.ends_with(".index.json"); }

/// Steps of a plan as text, a line each.
std::vector<std::string> steps_of(const std::string& path) {
  const auto plan = mg::detail::parse_json(mg::detail::read_file(path), path);
  if (!plan.is_object() || !plan.contains("modelgrow_plan") || !plan.contains("steps"))
    throw mg::format_error(path + ": it is no plan; expected 'modelgrow_plan' and 'steps'");
  std::vector<std::string> steps;
  for (auto step : plan["steps"]) steps.push_back(step.dump());
  return steps;
}

mg::Difference plans(const std::string& a, const std::string& b) {
  const auto x = steps_of(a), y = steps_of(b);
  mg::Difference d;
  for (std::size_t i = 0; i < std::max(x.size(), y.size()); ++i) {
    const std::string before = i < x.size() ? x[i] : "", after = i < y.size() ? y[i] : "";
    if (before != after)
      d.steps.push_back(mg::Change{.what = "step " + std::to_string(i + 1), .before = before, .after = after});
  }
  return d;
}
}  // namespace

void add_diff(CLI::App& program) {
  auto* command = program.add_subcommand("diff", "what differs between two checkpoints, or two plans; headers only");
  auto o = std::make_shared<DiffRequest>();
  command->add_option("A", o->a, std::string(checkpoint_forms) + ", or plan.json")->required();
  command->add_option("B", o->b, "another one")->required();
  add_state_dict(*command, o->state_dict);
  command->add_flag("--json", o->json, "for machines");
  command->footer("Example: modelgrow diff IN OUT");
  command->callback([o] {
    const auto found = is_plan(o->a) && is_plan(o->b)
                           ? plans(o->a, o->b)
                           : mg::difference(open(o->a, o->state_dict), open(o->b, o->state_dict));
    if (o->json)
      std::cout << mg::to_json(found);
    else
      std::cout << found;
  });
}

}  // namespace tool
