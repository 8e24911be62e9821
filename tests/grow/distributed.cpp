// SPDX-License-Identifier: MIT
// Distributed checkpoints of torch grow as they are: weights, averages and optimizers in one folder, whatever else was
// saved with them beside.
#include <modelgrow/checkpoint/dcp_contents.hpp>
#include <modelgrow/checkpoint/pickle_access.hpp>
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/param_groups.hpp>

#include "disk.hpp"
#include "tests/support/message.hpp"
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
