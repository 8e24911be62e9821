// SPDX-License-Identifier: MIT
// modelgrow merge: an adapter becomes part of the weights.
#include <modelgrow/grow/merge_adapter.hpp>

#include <iostream>

#include "input.hpp"
#include "progress.hpp"

namespace tool {

namespace {
struct Options {
  std::string base, adapter, out;
  mg::CheckpointOptions in;
  std::optional<double> alpha;
  double shard_gb = 0;
  bool json = false, replace = false;
};
}  // namespace

void add_merge(CLI::App& program) {
  auto* command = program.add_subcommand("merge", "folds an adapter (LoRA) into the weights, as peft does");
  auto o = std::make_shared<Options>();
  command->add_option("BASE", o->base, "folder, pipeline, .safetensors or torch file, or .index.json")->required();
  command->add_option("ADAPTER", o->adapter, "its file, or a folder of peft")->required();
  command->add_option("OUT", o->out, "folder to write, all or nothing")->required();
  command->add_option("--weights", o->in.weights, "the file or index of BASE, in a folder that holds several")
      ->type_name("NAME");
  command->add_option("--component", o->in.component, "one folder of a pipeline; otherwise its transformer")
      ->type_name("NAME");
  command->add_option("--alpha", o->alpha, "of the training, where the adapter does not say it");
  command->add_option("--shard-gb", o->shard_gb, "start a new file before so many GB; 0: as BASE")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command->add_flag("--replace", o->replace, "OUT may exist; it is replaced once the new one is written");
  command->add_flag("--json", o->json, "for machines");
  command->footer("Example: modelgrow merge wan-1.3b/ pytorch_lora_weights.safetensors wan-merged/");
  command->callback([o] {
    check_free(o->base, o->out, o->replace);
    const example::Interrupt interrupt;
    const auto report = mg::merge_adapter(mg::Checkpoint::open(o->base, o->in), mg::Adapter::open(o->adapter), o->out,
                                          {.alpha = o->alpha,
                                           .shard_bytes = std::uint64_t(o->shard_gb * 1e9),
                                           .existing = o->replace ? mg::Existing::replace : mg::Existing::refuse,
                                           .progress = progress_until_interrupted()});
    if (o->json)
      std::cout << mg::to_json(report);
    else
      std::cout << report;
  });
}

}  // namespace tool
