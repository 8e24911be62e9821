// SPDX-License-Identifier: MIT
// modelgrow check: a grown folder against its plan and its source; any other against its family.
#include <modelgrow/families/all.hpp>
#include <modelgrow/families/consumers.hpp>
#include <modelgrow/grow/check_grown.hpp>

#include <iostream>

#include "tool.hpp"

namespace tool {

namespace {
struct Options {
  std::string folder, source;
  bool json = false;
};

using Consumptions = std::vector<mg::Consumption>;

Consumptions runs(const mg::Checkpoint& in, const mg::Schema& schema,
                  const std::vector<mg::Contradiction>& stale = {}) {
  for (const auto& family : mg::known_families())
    if (family.name() == schema.family) return mg::consumptions(family, in.names(), schema, stale);
  return {};
}

/// A line for each program that something is known about.
std::string lines(const Consumptions& all) {
  std::string text = all.empty() ? "" : "where it runs (docs/where-it-runs.md)\n";
  for (const auto& c : all) {
    std::string name(c.consumer->name);
    name += " " + std::string(c.consumer->version);
    name.resize(std::max<std::size_t>(name.size(), 18), ' ');
    text += "  " + name + " " + c.does + "\n";
  }
  return text;
}

/// A folder that its family cannot read has failed the check. Where config.json is older than the file, programs differ
/// in what they make of it.
mg::Schema readable(const mg::Checkpoint& in) try { return schema_of(in); } catch (const mg::format_error& e) {
  std::string text;
  try {
    const auto by_file = schema_of(in, mg::Trust::file);
    const auto stale = mg::contradictions(by_file, in.config(), in.path().string() + "/config.json");
    if (!stale.empty()) text = "\n" + lines(runs(in, by_file, stale));
  } catch (const mg::format_error&) {  // not only config.json is wrong
  }
  throw mg::check_error(e.what() + text);
}

void check(const Options& o) {
  const auto in = mg::Checkpoint::open(o.folder);
  const auto schema = readable(in);
  mg::detail::json j{{"family", schema.family}, {"parameters", schema.trained_elements()}};
  std::string text = "family " + schema.family + ", " + mg::detail::grouped(std::uint64_t(schema.trained_elements())) +
                     " parameters: names, shapes and config.json agree\n";
  const std::filesystem::path source = o.source.empty() ? mg::source_of(in) : std::filesystem::path(o.source);
  if (std::error_code e; !source.empty() && std::filesystem::exists(in.path() / "plan.json", e)) {
    if (!std::filesystem::exists(source, e))
      throw mg::io_error("cannot compare with the source '" + source.string() + "': it is not there; say --source");
    const auto old = mg::Checkpoint::open(source);
    const auto found = mg::check_grown(in, old, schema_of(old));
    const auto tensors = found.weights.tensors.size() + found.averages.tensors.size();
    const auto residual = std::max(found.weights.max_residual, found.averages.max_residual);
    j.update({{"source", source.string()},
              {"certificate", mg::to_string(found.certificate)},
              {"trajectory", mg::to_string(found.trajectory)},
              {"read_back", found.read_back},
              {"tensors", tensors},
              {"optimizer_tensors", found.optimizer.tensors.size()},
              {"max_residual", residual}});
    text += "grown from " + source.string() + "\n  function   " + mg::to_string(found.certificate) + "\n  trajectory " +
            mg::to_string(found.trajectory) + "\n  check: " + std::to_string(tensors) + " tensors and " +
            std::to_string(found.optimizer.tensors.size()) + " of the optimizer follow from the source" +
            (residual > 0 ? "" : ", residual 0") + "\n";
  } else {
    text += "not compared with a source: it has no plan.json, or does not name its source (--source IN)\n";
  }
  const auto programs = runs(in, schema);
  text += lines(programs);
  for (const auto& c : programs)
    j["consumers"].push_back({{"name", c.consumer->name}, {"version", c.consumer->version}, {"does", c.does}});
  std::cout << (o.json ? j.dump(2) + "\n" : text);
}
}  // namespace

void add_check(CLI::App& program) {
  auto* command = program.add_subcommand("check", "a folder against its family and, if grown, its plan and source");
  auto o = std::make_shared<Options>();
  command->add_option("FOLDER", o->folder, "folder, .safetensors file or .index.json")->required();
  command->add_option("--source", o->source, "what it was grown from, where that has moved")->type_name("IN");
  command->add_flag("--json", o->json, "for machines");
  command->footer("Example: modelgrow check OUT; echo $?     0: all holds, 1: something does not");
  command->callback([o] { check(*o); });
}

}  // namespace tool
