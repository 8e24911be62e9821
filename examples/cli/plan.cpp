// SPDX-License-Identifier: MIT
// modelgrow plan: what a growth would do, without doing it.
#include <modelgrow/grow/plan_summary.hpp>

#include <iostream>

#include "growth.hpp"
#include "print_plan.hpp"

namespace tool {

namespace {
struct Options {
  explicit Options(CLI::App& command) : growth(command) {}
  Growth growth;
  std::string in;
  bool json = false;
};
}  // namespace

void print_plan(const mg::Plan& plan, bool json) {
  if (json) {
    std::cout << mg::summary_json(plan);
    return;
  }
  std::cout << plan;
  if (const auto why = plan.upstream_cannot(); !why.empty())
    std::cout << "  upstream   cannot load it: " << why << "; --accept-upstream writes it all the same\n";
  for (const auto& note : plan.notes()) std::cout << "  note: " << note << "\n";
}

void add_plan(CLI::App& program) {
  auto* command = program.add_subcommand("plan", "what a growth would do and claim; reads headers only");
  auto o = std::make_shared<Options>(*command);
  command->add_option("IN", o->in, "folder, .safetensors file or .index.json")->required();
  command->add_flag("--json", o->json, "for machines");
  command->footer(
      "Operators apply in the order given, as often as given.\n"
      "Examples:\n"
      "  modelgrow plan IN --insert-blocks every=1\n"
      "  modelgrow plan IN --insert-blocks at=3+7 --net2wider space=ffn,to=600,noise_db=20");
  command->callback([o] { print_plan(o->growth.plan(mg::Checkpoint::open(o->in)), o->json); });
}

}  // namespace tool
