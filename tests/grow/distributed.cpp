// SPDX-License-Identifier: MIT
// Distributed checkpoints of torch grow as they are: weights, averages and optimizers in one folder, whatever else was
// saved with them beside.
#include <modelgrow/checkpoint/dcp_contents.hpp>
#include <modelgrow/checkpoint/pickle_access.hpp>
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/param_groups.hpp>
#include <modelgrow/grow/rewrite_folder.hpp>

#include "disk.hpp"
#include "tests/support/message.hpp"
#include "tests/support/raw_files.hpp"
#include "torch_run.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;
using run::Run;
using run::Trained;

namespace {

std::vector<JoinedTensor> joined(const StateDict& state, const std::string& prefix = {}) {
  std::vector<JoinedTensor> all;
  for (const auto& [name, t] : state) all.push_back(torch_run::tensor_of(prefix + name, t));
  return all;
}

/// A run of AdamW as one folder.
void write_run(const tiny::fs::path& path, const Trained& t, DcpLayout layout, const std::string& app = {}) {
  const auto weights = tiny::to_dict<double>(t.run.schema, t.run.w);
  auto entries = dcp_entries(joined(weights), app + "model");
  const auto add = [&](const std::vector<DcpEntry>& more) { entries.insert(entries.end(), more.begin(), more.end()); };
  add(dcp_entries(joined(weights), app + "ema"));
  auto state = torch_run::stored(t.state, Optimizer::adamw, {torch_run::parameter_names(t.run.schema)});
  state.ids = StoredOptimizer::Ids::names;
  state.param_names = true;
  add(dcp_entries(state, app + "optim", layout));
  entries.push_back({.keys = {PickleValue("epoch")}, .value = PickleValue(7)});
  write_dcp(path, entries);
}

/// The same as a trainer writes it that keeps weights and optimizers apart.
void write_two(const tiny::fs::path& path, const Trained& t) {
  std::filesystem::create_directories(path);
  const auto weights = tiny::to_dict<double>(t.run.schema, t.run.w);
  write_dcp(path / "model", dcp_entries(joined(weights), ""));
  auto state = torch_run::stored(t.state, Optimizer::adamw, {torch_run::parameter_names(t.run.schema)});
  state.ids = StoredOptimizer::Ids::names;
  auto entries = dcp_entries(state, "optim", DcpLayout::flattened);
  entries.push_back({.keys = {PickleValue("sched"), PickleValue("last_epoch")}, .value = PickleValue(7)});
  write_dcp(path / "optim", entries);
}

std::vector<std::string> names_in(const tiny::fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& f : list_folder(folder)) names.push_back(f.name);
  return names;
}

}  // namespace

TEST_CASE("a distributed checkpoint grows as a whole, in its own layout") {
  const Trained t = torch_run::trained("AdamW");
  for (const auto layout : {DcpLayout::nested, DcpLayout::flattened})
    for (const std::string app : {"", "app/"}) {
      INFO(int(layout) << app);
      const tiny::Scratch scratch;
      write_run(scratch / "base", t, layout, app);
      const auto in = Checkpoint::open(scratch / "base");
      CHECK(in.names().size() == t.run.schema.parameters.size());
      const auto p = modelgrow::plan(t.run.schema, Net2Wider{.space = "ffn", .to = 12}, InsertBlocks{.every = 1});
      const auto report = p.write(in, scratch / "grown");
      CHECK(report.optimizer_moved);
      CHECK(report.grown_along == std::vector<std::string>{app + "ema", app + "optim"});
      CHECK(says(to_string(report.trajectory), "EXACT-IF", "param_groups.json"));
      const auto folder = DcpFolder::open(scratch / "grown");
      CHECK(*folder.value(folder.item("epoch")).get<std::int64_t>() == 7);
      CHECK(dcp_layout(folder, app + "optim") == layout);
      const auto weights = tiny::to_dict<double>(t.run.schema, t.run.w);
      const auto expected = grow_weights(p, weights);
      const auto out = Checkpoint::open(scratch / "grown");
      CHECK(tiny::read_dict(out) == expected);
      for (const auto& tensor : folder.tensors(app + "ema"))
        CHECK(torch_run::bytes_of(tensor) == expected.at(tensor.name()).bytes);
      const auto optimizer = dcp_optimizer(folder, app + "optim");
      const auto listed = folder.value(folder.item((app.empty() ? "" : "app.") + std::string("optim.param_groups.") +
                                                   (layout == DcpLayout::nested ? "0" : optimizer.parameters[0].name) +
                                                   ".param_names"));
      REQUIRE(detail::sequence(&listed));
      REQUIRE(detail::sequence(&listed)->size() == optimizer.parameters.size());  // also those of the new blocks
      const auto state = optimizer.tensors();
      const auto moved = grow_optimizer(p, t.state);
      std::size_t entries = 0;
      for (const auto& [name, value] : moved) entries += !is_factor(parse_state_name(name)->entry);
      CHECK(state.size() == entries);
      for (const auto& tensor : state) CHECK(torch_run::bytes_of(tensor) == moved.at(tensor.name()).bytes);
      CHECK_FALSE(read_param_groups(scratch / "grown").at(app + "optim").splits.empty());
      const auto again = check_grown(out, in, t.run.schema);
      CHECK(again.optimizer_tensors > 0);
      CHECK(again.as_written);
      CHECK(scratch.entries() == 2);
    }
}

TEST_CASE("a run of two distributed checkpoints grows into a run of two, with what its trainer resumes from") {
  const Trained t = torch_run::trained("AdamW");
  const tiny::Scratch scratch;
  const auto base = scratch / "base", grown = scratch / "grown";
  write_two(base, t);
  for (const auto* folder : {"rng", "model_ema", "teacher"}) std::filesystem::create_directories(base / folder);
  const std::vector<std::string> carried{"config.yaml", "losses.json", "rng/rng_rank_0.pt", "step_scheduler.pt"};
  for (const auto& file : carried) put(base / file, "of " + file);
  for (const auto* file : {"ema.pt", "plan.json", "checksums.json", "model_ema/x", "teacher/.metadata"})
    put(base / file, "x");
  const auto in = Checkpoint::open(base);
  const auto p = modelgrow::plan(t.run.schema, Net2Wider{.space = "ffn", .to = 12}, InsertBlocks{.every = 1});
  const auto report = p.write(in, grown);
  CHECK(report.optimizer_moved);
  CHECK(report.grown_along == std::vector<std::string>{"optim/optim"});
  CHECK(names_in(grown) == std::vector<std::string>{"checksums.json", "config.yaml", "losses.json", "model", "optim",
                                                    "param_groups.json", "plan.json", "rng", "step_scheduler.pt"});
  for (const auto* folder : {"model", "optim"})
    CHECK(names_in(grown / folder) == std::vector<std::string>{".metadata", "__0_0.distcp"});
  for (const auto& file : carried) CHECK(get(grown / file) == "of " + file);
  const auto notes = report.notes;
  for (const auto* left : {"'ema.pt'", "'plan.json'", "'model_ema'", "'teacher'"})
    CHECK(std::ranges::any_of(notes, [&](const auto& note) { return says(note, left, "was not grown"); }));
  CHECK_FALSE(std::ranges::any_of(notes, [](const auto& n) { return says(n, "'optim'") || says(n, "hidden"); }));

  const auto weights = DcpFolder::open(grown / "model"), moments = DcpFolder::open(grown / "optim");
  const auto expected = grow_weights(p, tiny::to_dict<double>(t.run.schema, t.run.w));
  const auto out = Checkpoint::open(grown);
  CHECK(tiny::read_dict(out) == expected);
  CHECK(weights.tensors("").size() == expected.size());
  CHECK(*moments.value(moments.item("sched.last_epoch")).get<std::int64_t>() == 7);
  CHECK(dcp_layout(moments, "optim") == DcpLayout::flattened);
  const auto moved = grow_optimizer(p, t.state);
  for (const auto& tensor : dcp_optimizer(moments, "optim").tensors())
    CHECK(torch_run::bytes_of(tensor) == moved.at(tensor.name()).bytes);
  CHECK_FALSE(read_param_groups(grown).at("optim/optim").splits.empty());
  const auto again = check_grown(out, in, t.run.schema);
  CHECK(again.optimizer_tensors > 0);
  CHECK(again.as_written);
  auto bytes = get(grown / "model/__0_0.distcp");
  const auto& tensor = expected.begin()->second;
  const auto at = bytes.find(std::string_view(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()));
  REQUIRE(at != bytes.npos);
  bytes[at] ^= 1;
  put(grown / "model/__0_0.distcp", bytes);
  CHECK(says(message_of<check_error>([&] { check_grown(Checkpoint::open(grown), in, t.run.schema); }),
             "model/__0_0.distcp"));

  rewrite_folder(in, scratch / "flat");
  CHECK(Checkpoint::open(scratch / "flat").optimizer().names().size() == t.state.size());
}

TEST_CASE("of a run of two distributed checkpoints the weights alone") {
  const Trained t = torch_run::trained("AdamW");
  const tiny::Scratch scratch;
  write_two(scratch / "base", t);
  const auto p = modelgrow::plan(t.run.schema, InsertBlocks{.every = 1});
  WritePlan how;
  how.state.leave_behind = {"optim"};
  const auto left = p.write(Checkpoint::open(scratch / "base"), scratch / "left", how);
  CHECK_FALSE(left.optimizer_moved);
  CHECK(says(to_string(left.trajectory), "'optim/optim' was left behind"));
  const auto rest = DcpFolder::open(scratch / "left");
  CHECK(dcp_optimizers(rest).empty());
  CHECK(*rest.value(rest.item("optim/sched.last_epoch")).get<std::int64_t>() == 7);

  std::filesystem::remove_all(scratch / "base" / "optim");
  const auto alone = p.write(Checkpoint::open(scratch / "base"), scratch / "alone");
  CHECK_FALSE(alone.optimizer_moved);
  CHECK(std::ranges::any_of(alone.notes, [](const auto& n) { return says(n, "training starts with new moments"); }));
  CHECK_FALSE(std::filesystem::exists(scratch / "alone" / "optim"));
  CHECK(tiny::read_dict(Checkpoint::open(scratch / "alone")) ==
        grow_weights(p, tiny::to_dict<double>(t.run.schema, t.run.w)));
}

TEST_CASE("what a distributed checkpoint holds of a run that cannot be told, or is left behind") {
  const Trained t = torch_run::trained("AdamW");
  const tiny::Scratch scratch;
  write_run(scratch / "base", t, DcpLayout::nested);
  const auto p = modelgrow::plan(t.run.schema, InsertBlocks{.every = 1});
  const auto in = Checkpoint::open(scratch / "base");
  WritePlan how;
  how.state.leave_behind = {"optim", "ema"};
  const auto report = p.write(in, scratch / "grown", how);
  CHECK_FALSE(report.optimizer_moved);
  CHECK(dcp_contents(DcpFolder::open(scratch / "grown")).optimizers.empty());
  const auto weights = tiny::to_dict<double>(t.run.schema, t.run.w);
  auto two = dcp_entries(joined(weights), "a");
  for (auto& e : dcp_entries(joined(weights), "b")) two.push_back(e);
  write_dcp(scratch / "two", two);
  CHECK(says(message_of<format_error>([&] { Checkpoint::open(scratch / "two"); }), "'a', 'b'", "--state-dict"));
  CHECK(Checkpoint::open(scratch / "two", {.state_dict = "b"}).state_dict() == "b");
  write_dcp(scratch / "none", {{.keys = {PickleValue("epoch")}, .value = PickleValue(7)}});
  CHECK(says(message_of<format_error>([&] { Checkpoint::open(scratch / "none"); }), "no tensors"));
}
