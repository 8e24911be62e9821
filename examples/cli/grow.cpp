// SPDX-License-Identifier: MIT
// modelgrow grow: plans, writes, reads back and checks.
#include <modelgrow/grow/write.hpp>

#include <iostream>

#include "growth.hpp"
#include "print_plan.hpp"
#include "progress.hpp"

namespace tool {

namespace {
struct Options {
  explicit Options(CLI::App& command) : growth(command) {}
  Growth growth;
  std::string in, out;
  double shard_gb = 0;
  bool json = false, dry_run = false, replace = false;
};
}  // namespace

void add_grow(CLI::App& program) {
  auto* command = program.add_subcommand("grow", "grows a checkpoint into a new folder, and checks what was written");
  auto o = std::make_shared<Options>(*command);
  command->add_option("IN", o->in, "folder, .safetensors file or .index.json")->required();
  command->add_option("OUT", o->out, "folder to write, all or nothing")->required();
  command->add_flag("--dry-run", o->dry_run, "only say what would be done");
  command->add_flag("--replace", o->replace, "OUT may exist; it is replaced once the new one is checked");
  command->add_option("--shard-gb", o->shard_gb, "start a new file before so many GB; 0: as the source")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command->add_flag("--json", o->json, "for machines");
  command->footer(
      "Operators apply in the order given, as often as given.\n"
      "Examples:\n"
      "  modelgrow grow IN OUT --insert-blocks every=1\n"
      "  modelgrow grow IN OUT --net2wider space=hidden,times=2 --insert-blocks count=4\n"
      "  modelgrow grow IN OUT --recipe recipe.json");
  command->callback([o] {
    const auto in = mg::Checkpoint::open(o->in);
    const auto plan = o->growth.plan(in);
    if (o->dry_run) return print_plan(plan, o->json);
    const example::Interrupt interrupt;
    const auto report = plan.write(in, o->out,
                                   {.shard_bytes = std::uint64_t(o->shard_gb * 1e9),
                                    .existing = o->replace ? mg::Existing::replace : mg::Existing::refuse,
                                    .progress = progress_until_interrupted()});
    if (o->json)
      std::cout << mg::to_json(report);
    else
      std::cout << report;
  });
}

}  // namespace tool
