// SPDX-License-Identifier: MIT
// modelgrow convert: the same numbers in another file format, element type, layout of shards or of names.
#include <modelgrow/families/other_names.hpp>
#include <modelgrow/grow/plan_print.hpp>
#include <modelgrow/grow/rewrite_folder.hpp>

#include <iostream>

#include "input.hpp"
#include "progress.hpp"
#include "state.hpp"

namespace tool {

namespace {
struct ConvertRequest {
  explicit ConvertRequest(CLI::App& command) : in(command), state(command) {}
  Input in;
  State state;
  std::string out, dtype, names, like, to = "safetensors";
  double shard_gb = 0;
  bool replace = false;
};

/// The renaming of --names; empty for none.
std::function<std::string(const std::string&)> renaming(const ConvertRequest& o, const mg::Checkpoint& in) {
  if (o.names.empty()) return {};
  auto names = mg::other_names(o.in.family(in), in.names(), in.config(), in.path().string(),
                               o.names == "native" ? mg::NameLayout::native : mg::NameLayout::own);
  return [names = std::move(names)](const std::string& name) {
    const auto it = names.find(name);
    return it == names.end() ? name : it->second;
  };
}

mg::Rewrite how(const ConvertRequest& o, const mg::Checkpoint& in) {
  mg::Rewrite r{.rename = renaming(o, in),
                .existing = o.replace ? mg::Existing::replace : mg::Existing::refuse,
                .progress = progress_until_interrupted()};
  if (!o.dtype.empty()) r.dtype = mg::parse_dtype(o.dtype);
  if (o.shard_gb > 0) r.shard_bytes = std::uint64_t(o.shard_gb * 1e9);
  return r;
}

void show(const mg::Rewritten& r) {
  std::cout << r.path.string() << ": " << r.tensors << " tensors, " << mg::detail::human_bytes(r.bytes) << "\n";
  if (!r.kept.empty())
    std::cout << "  " << r.kept.size() << " of them, such as '" << r.kept[0]
              << "', have no floating type that converts\n";
}

void convert(const ConvertRequest& o) {
  const auto in = o.in.open();
  const example::Interrupt interrupt;
  const bool one_file = o.out.ends_with(".safetensors") || mg::is_torch_file(o.out);
  if (one_file && !o.like.empty()) throw mg::option_error("--like is for a folder: give OUT without an ending");
  if (one_file) return show(mg::rewrite(in, o.out, how(o, in)));
  const auto form = o.to == "torch" ? mg::WeightsFile::torch : mg::WeightsFile::safetensors;
  std::optional<mg::TorchState> like;
  if (!o.like.empty()) like = mg::torch_run_state(mg::Checkpoint::open(o.like), o.state.options());
  for (const auto& r : mg::rewrite_folder(in, o.out, how(o, in), form, o.state.options(), like)) show(r);
  if (!o.names.empty() && !in.config().empty())
    std::cout << "  config.json was not written: it belongs to the names that were; take the one of the other class\n";
}
}  // namespace

void add_convert(CLI::App& program) {
  auto* command =
      program.add_subcommand("convert", "writes the same numbers as another file, type, or under other names");
  auto o = std::make_shared<ConvertRequest>(*command);
  command
      ->add_option("OUT", o->out,
                   "a .safetensors or torch file, or a folder, which gets what is of the same model, too")
      ->required();
  command->add_option("--dtype", o->dtype, "of the weights: F32, BF16, F16 or F64; other types stay")
      ->transform(CLI::IsMember({"F64", "F32", "F16", "BF16"}, CLI::ignore_case));
  command->add_option("--to", o->to, "the weights' file in a folder")
      ->check(CLI::IsMember({"safetensors", "torch"}))
      ->capture_default_str();
  command->add_option("--names", o->names, "those of the model's own repository, or of diffusers")
      ->check(CLI::IsMember({"native", "diffusers"}));
  command->add_option("--shard-gb", o->shard_gb, "safetensors: start a new file before so many GB; 0: one file")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command
      ->add_option("--like", o->like,
                   "a run of torch: the optimizer state of IN, of this library, is written as its file has it, with "
                   "its groups, options and order of parameters")
      ->type_name("RUN")
      ->check(CLI::ExistingDirectory);
  command->add_flag("--replace", o->replace, "OUT may exist; it is replaced when the new one is whole");
  command->footer(
      "Examples:\n"
      "  modelgrow convert run.pth model.safetensors --state-dict ema --dtype bf16\n"
      "  modelgrow convert IN OUT --shard-gb 5\n"
      "  modelgrow convert Wan2.1/transformer wan-native --names native\n"
      "  modelgrow convert checkpoint-1000 run             of accelerate, for the trainer of this library\n"
      "  modelgrow convert run OUT --like checkpoint-1000  and back");
  command->callback([o] { convert(*o); });
}

}  // namespace tool
