// SPDX-License-Identifier: MIT
// modelgrow inspect: what a checkpoint is, and how it may grow.
#include <modelgrow/grow/inspect.hpp>

#include <iostream>

#include "tool.hpp"

namespace tool {

namespace {
struct Options {
  std::string in;
  bool json = false;
};
}  // namespace

void add_inspect(CLI::App& program) {
  auto* command = program.add_subcommand("inspect", "what a checkpoint is, and how it may grow; reads headers only");
  auto o = std::make_shared<Options>();
  command->add_option("IN", o->in, "folder, .safetensors file or .index.json")->required();
  command->add_flag("--json", o->json, "for machines");
  command->footer("Example: modelgrow inspect examples/data/base/transformer");
  command->callback([o] {
    const auto in = mg::Checkpoint::open(o->in);
    const auto found = mg::inspect(schema_of(in));
    if (o->json)
      std::cout << mg::to_json(found);
    else
      std::cout << found << "  " << in.names().size() << " tensors, " << mg::detail::human_bytes(in.total_bytes())
                << (in.has_optimizer() ? ", with optimizer state" : "") << (in.has_ema() ? ", with averages" : "")
                << "\n";
  });
}

}  // namespace tool
