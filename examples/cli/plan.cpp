// SPDX-License-Identifier: MIT
// modelgrow plan: what a growth would do, without doing it.
#include <modelgrow/grow/advice.hpp>
#include <modelgrow/grow/free_space.hpp>
#include <modelgrow/grow/plan_summary.hpp>
#include <modelgrow/grow/write_pipeline.hpp>

#include <iostream>

#include "growth.hpp"
#include "print_plan.hpp"
#include "state.hpp"

namespace tool {

namespace {
struct PlanRequest {
  explicit PlanRequest(CLI::App& command) : in(command), growth(command), state(command) {}
  Input in;
  Growth growth;
  State state;
  std::string out, wish;
  bool json = false;
};

/// Prints what is advised, and what it would do.
void print_advice(const PlanRequest& o, const mg::Checkpoint& in, bool approximate) {
  if (o.growth.said()) throw mg::option_error("--advise finds the operators itself; give it, or operators");
  const auto schema = o.growth.schema(in, o.in);
  auto wish = mg::parse_fields<mg::AdviceWish>(o.wish, "--advise");
  wish.approximate = approximate;
  const auto advice = mg::advise(schema, wish);
  const auto plan = mg::plan(schema, advice.calls);
  if (!o.json) {
    std::cout << advice << "\n  modelgrow grow " << o.in.path() << " " << (o.out.empty() ? "OUT" : o.out);
    for (const auto& c : advice.calls)
      std::cout << " " << flag_of(c.name()) << (c.text().empty() ? "" : " ") << c.text();
    std::cout << "\n\n";
  }
  print_plan(plan, in, o.in, o.out, o.json, o.state.options(), &advice);
}
}  // namespace

std::uint64_t size_of_growth(const mg::Plan& plan, const mg::Checkpoint& in, const Input& input,
                             const mg::StateOptions& state) {
  const auto pipeline = input.pipeline();
  if (!pipeline || !in.missing_files().empty()) return mg::output_bytes(plan, in, state);
  return mg::pipeline_bytes(plan, *pipeline, input.component(), state);
}

void print_plan(const mg::Plan& plan, const mg::Checkpoint& in, const Input& input, const std::string& out, bool json,
                const mg::StateOptions& state, const mg::Advice* advice) {
  const auto bytes = size_of_growth(plan, in, input, state);
  const auto place = mg::detail::parent_of(out.empty() ? in.path() : std::filesystem::path(out));
  const auto free = mg::free_bytes(place / "x");
  if (json) {
    auto j = mg::detail::parse_json(mg::summary_json(plan), "plan");
    j["output_bytes"] = bytes;
    if (free) j["free_bytes"] = *free;
    j["missing_files"] = in.missing_files();
    if (advice) {
      j["advice"]["recipe"] = mg::detail::parse_json(mg::recipe_text(advice->calls), "recipe");
      for (const auto& r : advice->reasons) j["advice"]["reasons"].push_back({{"text", r.text}, {"rows", r.rows}});
    }
    std::cout << j.dump(2) << "\n";
    return;
  }
  std::cout << plan;
  if (const auto why = plan.upstream_cannot(); !why.empty())
    std::cout << "  upstream   cannot load it: " << why << "; --accept-upstream writes it all the same\n";
  std::cout << "  size       " << mg::detail::human_bytes(bytes) << " will be written";
  if (free) std::cout << "; " << mg::detail::human_bytes(*free) << " are free in " << place.string();
  if (free && *free < bytes) std::cout << ": too little, `grow` would refuse";
  std::cout << "\n";
  for (const auto& note : plan.notes()) std::cout << "  note: " << note << "\n";
  std::cout << missing_text(in);
}

void add_plan(CLI::App& program) {
  auto* command = program.add_subcommand("plan", "what a growth would do and claim; reads headers only");
  auto o = std::make_shared<PlanRequest>(*command);
  command->add_option("OUT", o->out, "where it would be written, to say how much room is there");
  command->add_flag("--json", o->json, "for machines");
  command
      ->add_option(
          "--advise", o->wish,
          "instead of operators: which to take, and why\n  times: how many times the parameters [2]\n  trained: share "
          "of the training that is over [1: the model is finished]\n  with --allow-approximate also what "
          "changes the function at first")
      ->type_name("KEY=VALUE,..")
      ->expected(0, 1)
      ->allow_extra_args(false);
  command->footer(
      "Operators apply in the order given, as often as given.\n"
      "Examples:\n"
      "  modelgrow plan IN --insert-blocks every=1\n"
      "  modelgrow plan IN --insert-blocks at=3+7 --net2wider space=ffn,to=600,noise_db=20\n"
      "  modelgrow plan IN --advise times=2,trained=0.5");
  command->callback([o, command] {
    const auto in = o->in.open(mg::Incomplete::accept);
    if (command->count("--advise") > 0) return print_advice(*o, in, command->count("--allow-approximate") > 0);
    print_plan(o->growth.plan(in, o->in), in, o->in, o->out, o->json, o->state.options());
  });
}

}  // namespace tool
