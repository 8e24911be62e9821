// SPDX-License-Identifier: MIT
// modelgrow check: a grown folder against its plan and its source; any other against its family.
#include <modelgrow/families/all.hpp>
#include <modelgrow/families/consumers.hpp>
#include <modelgrow/grow/check_grown.hpp>

#include <iostream>

#include "input.hpp"
#include "state.hpp"

namespace tool {

namespace {
struct Options {
  explicit Options(CLI::App& command) : in(command, "FOLDER"), state(command) {}
  Input in;
  State state;
  std::string source;
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
mg::Schema readable(const mg::Checkpoint& in, const Input& input) try {
  return input.schema(in);
} catch (const mg::format_error& e) {
  std::string text;
  try {
    const auto by_file = input.schema(in, mg::Trust::file);
    const auto stale = mg::contradictions(by_file, in.config(), in.path().string() + "/config.json");
    if (!stale.empty()) text = "\n" + lines(runs(in, by_file, stale));
  } catch (const mg::format_error&) {  // not only config.json is wrong
  }
  throw mg::check_error(e.what() + text);
}

/// One checkpoint. Throws check_error.
void check(const mg::Checkpoint& in, const Input& input, const std::filesystem::path& source,
           const mg::StateOptions& state, mg::detail::json& j, std::string& text) {
  const auto schema = readable(in, input);
  j.update({{"family", schema.family}, {"parameters", schema.trained_elements()}});
  text += "family " + schema.family + ", " + mg::detail::grouped(std::uint64_t(schema.trained_elements())) +
          " parameters: names, shapes and config.json agree\n";
  if (std::error_code e; !source.empty() && std::filesystem::exists(in.path() / "plan.json", e)) {
    if (!std::filesystem::exists(source, e))
      throw mg::io_error("cannot compare with the source '" + source.string() + "': it is not there; say --source");
    const auto old = mg::open_source(mg::source_of(in), source);
    const auto found = mg::check_grown(in, old, input.schema(old), state);
    j.update({{"source", source.string()},
              {"certificate", mg::to_string(found.certificate)},
              {"trajectory", mg::trajectory_text(found.trajectory, found.optimizer_tensors > 0)},
              {"read_back", found.read_back},
              {"as_written", found.as_written},
              {"tensors", found.tensors},
              {"optimizer_tensors", found.optimizer_tensors},
              {"max_residual", found.max_residual},
              {"grown_along", found.grown_along},
              {"not_finite", found.not_finite}});
    text += "grown from " + source.string() + "\n  function   " + mg::to_string(found.certificate) + "\n  trajectory " +
            mg::trajectory_text(found.trajectory, found.optimizer_tensors > 0) +
            "\n  check: " + std::to_string(found.tensors) + " tensors and " + std::to_string(found.optimizer_tensors) +
            " of the optimizer follow from the source" + (found.max_residual > 0 ? "" : ", residual 0") +
            (found.as_written ? "; all bytes as they were written\n" : "\n");
    for (const auto& n : found.not_finite) text += "  not finite: " + n + "\n";
  } else {
    text += "not compared with a source: it has no plan.json, or does not name its source (--source IN)\n";
  }
  const auto programs = runs(in, schema);
  text += lines(programs);
  for (const auto& c : programs)
    j["consumers"].push_back({{"name", c.consumer->name}, {"version", c.consumer->version}, {"does", c.does}});
}

void check(const Options& o) {
  mg::detail::json j = mg::detail::json::object();
  std::string text;
  const std::filesystem::path said = o.source;
  const auto pipeline = o.in.pipeline();
  if (pipeline && o.in.component().empty()) {
    for (const auto& name : pipeline->models) {
      const auto in = mg::Checkpoint::open(pipeline->path / name);
      text += name + ": ";
      check(in, o.in, said.empty() ? mg::source_of(in).path : said / name, o.state.options(),
            j[name] = mg::detail::json::object(), text);
    }
  } else {
    const auto in = o.in.open();
    check(in, o.in, said.empty() ? mg::source_of(in).path : said, o.state.options(), j, text);
  }
  std::cout << (o.json ? j.dump(2) + "\n" : text);
}
}  // namespace

void add_check(CLI::App& program) {
  auto* command = program.add_subcommand("check", "a folder against its family and, if grown, its plan and source");
  auto o = std::make_shared<Options>(*command);
  command->add_option("--source", o->source, "what it was grown from, where that has moved")->type_name("IN");
  command->add_flag("--json", o->json, "for machines");
  command->footer("Example: modelgrow check OUT; echo $?     0: all holds, 1: something does not");
  command->callback([o] { check(*o); });
}

}  // namespace tool
