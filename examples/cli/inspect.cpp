// SPDX-License-Identifier: MIT
// modelgrow inspect: what a checkpoint is, and how it may grow.
#include <modelgrow/grafts/known.hpp>
#include <modelgrow/grow/inspect.hpp>

#include <iostream>

#include "input.hpp"

namespace tool {

namespace {
struct InspectRequest {
  explicit InspectRequest(CLI::App& command) : in(command) {}
  Input in;
  bool json = false;
};

/// "transformer of a pipeline with transformer, transformer_2, vae, .."
std::string about(const mg::Pipeline& pipeline, const mg::Checkpoint& in) {
  std::string text = in.path().filename().string() + " of a pipeline with ";
  for (const auto& name : pipeline.models) text += name + ", ";
  for (const auto& name : pipeline.others)
    if (std::error_code e; std::filesystem::is_directory(pipeline.path / name, e)) text += name + ", ";
  return text.substr(0, text.size() - 2) + "\n";
}
}  // namespace

void add_inspect(CLI::App& program) {
  auto* command = program.add_subcommand("inspect", "what a checkpoint is, and how it may grow; reads headers only");
  auto o = std::make_shared<InspectRequest>(*command);
  command->add_flag("--json", o->json, "for machines");
  command->footer("Example: modelgrow inspect examples/data/base/transformer");
  command->callback([o] {
    const auto in = o->in.open(mg::Incomplete::accept);
    const auto pipeline = o->in.pipeline();
    const auto found = mg::inspect(o->in.schema(in), mg::known_grafts());
    if (o->json) {
      auto j = mg::detail::parse_json(mg::to_json(found), "inspection");
      j["prefix"] = in.prefix().text();
      j["missing_files"] = in.missing_files();
      if (pipeline) j["pipeline"] = {{"grow", pipeline->models}, {"others", pipeline->others}};
      std::cout << j.dump(2) << "\n";
      return;
    }
    std::cout << (pipeline ? about(*pipeline, in) : "") << found << "  " << in.names().size() << " tensors, "
              << mg::detail::human_bytes(in.total_bytes()) << (in.missing_files().empty() ? "" : " so far")
              << (in.prefix().empty() ? "" : ", names begin with '" + in.prefix().text() + "'")
              << (in.has_optimizer() ? ", with optimizer state" : "") << (in.has_ema() ? ", with averages" : "") << "\n"
              << missing_text(in);
  });
}

}  // namespace tool
