// SPDX-License-Identifier: MIT
// modelgrow grow: plans, writes, reads back and checks.
#include <modelgrow/grow/adapter_growth.hpp>
#include <modelgrow/grow/write_pipeline.hpp>

#include <iostream>

#include "growth.hpp"
#include "print_plan.hpp"
#include "progress.hpp"
#include "ranks.hpp"
#include "state.hpp"

namespace tool {

namespace {
struct GrowthRequest {
  explicit GrowthRequest(CLI::App& command) : in(command), growth(command), state(command) {}
  Input in;
  Growth growth;
  State state;
  std::string out;
  std::vector<std::string> adapters;
  double shard_gb = 0, rank_limit = 30;
  bool json = false, dry_run = false, replace = false, allow_not_finite = false, no_resume = false;
};

void show(const auto& report, bool json, const mg::Ranks& ranks) {
  if (!ranks.first()) return;
  if (json)
    std::cout << mg::to_json(report);
  else
    std::cout << report;
}

/// What to say of an interrupted growth.
Interrupted interrupted_at(const std::filesystem::path& out) {
  const auto partial = mg::unfinished_path(out);
  if (std::error_code failed; !std::filesystem::exists(partial, failed)) return {};
  return {"what was written is kept in '" + partial.string() + "'; the same command goes on from there"};
}

/// What every rank does.
void grow(const GrowthRequest& o, mg::Ranks& ranks) {
  const auto in = o.in.open(o.dry_run ? mg::Incomplete::accept : mg::Incomplete::refuse);
  const auto plan = o.growth.plan(in, o.in);
  if (o.dry_run) {
    for (const auto& path : o.adapters) mg::AdapterGrowth(plan, in.names(), mg::Adapter::open(path));
    if (ranks.first()) print_plan(plan, in, o.in, o.out, o.json, o.state.options());
    return;
  }
  check_free(o.in.path(), o.out, o.replace);
  const example::Interrupt interrupt;
  const mg::WritePlan how{.shard_bytes = std::uint64_t(o.shard_gb * 1e9),
                          .existing = o.replace ? mg::Existing::replace : mg::Existing::refuse,
                          .progress = ranks.first() ? progress_until_interrupted() : until_interrupted(),
                          .non_finite = o.allow_not_finite ? mg::NonFinite::allow : mg::NonFinite::refuse,
                          .unfinished = o.no_resume ? mg::Unfinished::begin_anew : mg::Unfinished::go_on,
                          .adapters = {o.adapters.begin(), o.adapters.end()},
                          .state = o.state.options(),
                          .ranks = &ranks};
  try {
    if (const auto pipeline = o.in.pipeline())
      show(mg::write_pipeline(plan, *pipeline, o.out, how, o.in.component()), o.json, ranks);
    else
      show(plan.write(in, o.out, how), o.json, ranks);
  } catch (const Interrupted&) {
    throw interrupted_at(o.out);
  } catch (const mg::interrupted_error& e) {
    auto stopped = interrupted_at(o.out);
    if (!example::Interrupt::requested()) stopped.what = e.what() + ("; " + stopped.what);  // another rank alone
    throw stopped;
  }
}
}  // namespace

void add_grow(CLI::App& program) {
  auto* command = program.add_subcommand("grow", "grows a checkpoint into a new folder, and checks what was written");
  auto o = std::make_shared<GrowthRequest>(*command);
  command->add_option("OUT", o->out, "folder to write, all or nothing")->required();
  command->add_flag("--dry-run", o->dry_run, "only say what would be done");
  command->add_flag("--replace", o->replace, "OUT may exist; it is replaced once the new one is checked");
  command->add_flag("--no-resume", o->no_resume, "begin anew what an earlier try has left in OUT.partial");
  command
      ->add_flag("--allow-not-finite", o->allow_not_finite,
                 "weights, averages and optimizer state may hold NaN and infinities")
      ->group("Permissions");
  command
      ->add_option("--adapter", o->adapters,
                   "LoRA file, or folder of peft, that grows along, into OUT/adapters; more than one may be given")
      ->type_name("PATH")
      ->allow_extra_args(false);
  command->add_option("--shard-gb", o->shard_gb, "start a new file before so many GB; 0: as the source")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command
      ->add_option("--rank-limit", o->rank_limit,
                   "of ranks that grow together: all end when one takes so many minutes for 8 MB, or gives no sign of "
                   "life for as long")
      ->check(CLI::Range(0.01, 1e5))
      ->capture_default_str();
  command->add_flag("--json", o->json, "for machines");
  command->footer(
      "Operators apply in the order given, as often as given.\n"
      "Examples:\n"
      "  modelgrow grow IN OUT --insert-blocks every=1\n"
      "  modelgrow grow IN OUT --net2wider space=hidden,times=2 --insert-blocks count=4\n"
      "  modelgrow grow IN OUT --recipe recipe.json");
  command->callback([o] {
    with_ranks({.out = o->out, .limit = std::chrono::milliseconds(std::int64_t(o->rank_limit * 60e3))},
               [&](mg::Ranks& ranks) { grow(*o, ranks); });
  });
}

}  // namespace tool
