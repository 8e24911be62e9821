// SPDX-License-Identifier: MIT
// modelgrow plan: what a growth would do, without doing it.
#include <modelgrow/grow/free_space.hpp>
#include <modelgrow/grow/plan_summary.hpp>
#include <modelgrow/grow/write_pipeline.hpp>

#include <iostream>

#include "growth.hpp"
#include "print_plan.hpp"

namespace tool {

namespace {
struct Options {
  explicit Options(CLI::App& command) : in(command), growth(command) {}
  Input in;
  Growth growth;
  std::string out;
  bool json = false;
};
}  // namespace

std::uint64_t size_of_growth(const mg::Plan& plan, const mg::Checkpoint& in, const Input& input) {
  const auto pipeline = input.pipeline();
  if (!pipeline || !in.missing_files().empty()) return mg::output_bytes(plan, in);
  return mg::pipeline_bytes(plan, *pipeline, input.component());
}

void print_plan(const mg::Plan& plan, const mg::Checkpoint& in, const Input& input, const std::string& out, bool json) {
  const auto bytes = size_of_growth(plan, in, input);
  const auto place = mg::detail::parent_of(out.empty() ? in.path() : std::filesystem::path(out));
  const auto free = mg::free_bytes(place / "x");
  if (json) {
    auto j = mg::detail::parse_json(mg::summary_json(plan), "plan");
    j["output_bytes"] = bytes;
    if (free) j["free_bytes"] = *free;
    j["missing_files"] = in.missing_files();
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
  auto o = std::make_shared<Options>(*command);
  command->add_option("OUT", o->out, "where it would be written, to say how much room is there");
  command->add_flag("--json", o->json, "for machines");
  command->footer(
      "Operators apply in the order given, as often as given.\n"
      "Examples:\n"
      "  modelgrow plan IN --insert-blocks every=1\n"
      "  modelgrow plan IN --insert-blocks at=3+7 --net2wider space=ffn,to=600,noise_db=20");
  command->callback([o] {
    const auto in = o->in.open(mg::Incomplete::accept);
    print_plan(o->growth.plan(in, o->in), in, o->in, o->out, o->json);
  });
}

}  // namespace tool
