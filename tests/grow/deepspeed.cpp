// SPDX-License-Identifier: MIT
// Runs of DeepSpeed (ZeRO 1 to 3) grow as one store: joined, moved, cut again for the same ranks, and proven from their
// bytes; the same numbers as a folder of torch that grows.
#include "deepspeed_run.hpp"

#include <modelgrow/checkpoint/deepspeed.hpp>
#include <modelgrow/checkpoint/pickle_access.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/operators/optimizer_policy.hpp>

#include "disk.hpp"
#include "tests/support/message.hpp"
#include "tests/support/raw_files.hpp"
#include "tests/support/training_values.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;
using torch_run::parameter_names;
using torch_run::trained;

namespace {

/// Matrices and the rest, as trainers that decay only the first have them.
deepspeed_run::Groups groups_of(const Schema& s) {
  return {torch_run::matrices(s, true), torch_run::matrices(s, false)};
}

/// The same floats as torch.save would have left them.
void write_torch(const std::filesystem::path& folder, const deepspeed_run::Run& r, const Schema& s) {
  std::filesystem::create_directory(folder);
  const auto dict = [](const Shape& shape, const deepspeed_run::Floats& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return HostTensor{.dtype = DType::f32, .shape = shape, .bytes = {bytes.begin(), bytes.end()}};
  };
  StateDict weights, state;
  for (const auto& [name, shape] : r.shapes) {
    weights[name] = dict(shape, r.weights.at(name));
    state["adamw.m." + name] = dict(shape, r.m.at(name));
    state["adamw.v." + name] = dict(shape, r.v.at(name));
    state["adamw.step." + name] = dict({}, {r.steps});
  }
  tiny::write_dict(folder / "model.safetensors", weights);
  write_torch_optimizer(folder / "optimizer.bin", torch_run::stored(state, Optimizer::adamw, groups_of(s)));
}

std::vector<double> numbers(const Checkpoint& c, const std::string& name) { return values_of<double>(c.tensor(name)); }

struct Grown {
  tiny::Scratch scratch;
  run::Trained t = trained("AdamW");
  Report report;
  Plan plan;

  Grown(int stage, std::size_t ranks, Plan p) : plan(std::move(p)) {
    deepspeed_run::Run(t).write(scratch / "base", stage, ranks, groups_of(t.run.schema));
    report = plan.write(Checkpoint::open(scratch / "base"), scratch / "grown");
  }
};
Plan wider() { return modelgrow::plan(mlp::schema(), Net2Wider{.space = "ffn", .to = 12}); }
Plan deeper() { return modelgrow::plan(mlp::schema(), InsertBlocks{.at = {1}}); }

}  // namespace

TEST_CASE("a run of DeepSpeed grows to the numbers of a run of torch, for its ranks") {
  for (const int stage : {1, 2, 3})
    for (const std::size_t ranks : {2, 3})
      for (const bool wide : {true, false}) {
        INFO("stage " << stage << ", ranks " << ranks << ", wider " << wide);
        const Grown g(stage, ranks, wide ? wider() : deeper());
        CHECK(g.report.optimizer_moved);
        write_torch(g.scratch / "torch", deepspeed_run::Run(g.t), g.t.run.schema);
        WritePlan how;
        how.state.order = parameter_names(g.t.run.schema);
        g.plan.write(Checkpoint::open(g.scratch / "torch"), g.scratch / "torch-grown", how);
        const auto here = Checkpoint::open(g.scratch / "grown"), there = Checkpoint::open(g.scratch / "torch-grown");
        REQUIRE(here.names().size() == there.names().size());
        for (const auto& t : there.names()) CHECK(numbers(here, t.name) == numbers(there, t.name));
        const auto written = read_deepspeed(g.scratch / "grown");
        CHECK(written.stage == stage);
        CHECK(written.ranks == ranks);
        auto reference = read_torch_optimizer(g.scratch / "torch-grown/optimizer.bin");
        const auto names = read_param_groups(g.scratch / "torch-grown").at("optimizer.bin").parameters;
        for (std::size_t i = 0; i < names.size(); ++i) reference.parameters[i].name = names[i];
        const auto state = written.optimizer.tensors();
        for (const auto& t : reference.tensors())
          if (t.shape().rank() > 0) CHECK(numbers_of(named(state, t.name())) == numbers_of(t));
        for (const auto& t : state)  // the counter of a group
          if (t.shape().rank() == 0) CHECK(numbers_of(t)[0] == run::Trained::steps);
        const auto found = check_grown(here, Checkpoint::open(g.scratch / "base"), g.t.run.schema);
        CHECK(found.optimizer_tensors > 0);
        if (stage == 3) continue;
        const auto model = Checkpoint::open(g.scratch / "grown/global_step20/mp_rank_00_model_states.pt");
        REQUIRE(model.names().size() == there.names().size());
        for (const auto& t : there.names()) CHECK(numbers(model, t.name) == numbers(there, t.name));
      }
}

TEST_CASE("groups that need other rates are groups of the written run") {
  const Grown g(1, 2, wider());
  const auto groups = read_param_groups(g.scratch / "grown").at("optimizer");
  REQUIRE_FALSE(groups.splits.empty());
  const auto written = read_deepspeed(g.scratch / "grown").optimizer;
  REQUIRE(written.groups.size() == 2 + groups.splits.size());
  for (std::size_t i = 0; i < groups.splits.size(); ++i) {
    const auto& split = groups.splits[i];
    const auto& now = written.groups[2 + i];
    const auto number = [](const StoredOptimizer::Group& of, const char* key) {
      return *of.options.find(key)->get<double>();
    };
    for (const auto& [key, factor] :
         {std::pair("lr", split.rate), std::pair("eps", split.epsilon), std::pair("weight_decay", split.decay)})
      CHECK(number(now, key) == number(written.groups[split.group], key) * factor);
    std::vector<std::string> names;
    for (const auto place : now.parameters) names.push_back(written.parameters[place].name);
    CHECK(names == split.parameters);
  }
  std::vector<std::string> order;
  for (const auto& p : written.parameters) order.push_back(p.name);
  CHECK(order == groups.parameters);
  CHECK(says(g.report.trajectory.reason, "param_groups.json"));
  CHECK(std::ranges::any_of(g.report.notes, [](const auto& n) { return says(n, "before deepspeed.initialize"); }));
  // With equal rates the groups stay, and nothing exact is claimed.
  const Grown equal(1, 2,
                    modelgrow::plan(mlp::schema(), allow_approximate, OptimizerPolicy{.multipliers = Rates::off},
                                    Net2Wider{.space = "ffn", .to = 12}));
  CHECK(read_deepspeed(equal.scratch / "grown").optimizer.groups.size() == 2);
  CHECK(equal.report.trajectory.exactness == Exactness::approximate);
}

TEST_CASE("what does not depend on sizes stays, and a grown run grows again") {
  const Grown g(3, 2, deeper());
  CHECK(get(g.scratch / "grown/latest") == "global_step20");
  const auto model = TorchFile::open(g.scratch / "grown/global_step20/zero_pp_rank_1_mp_rank_00_model_states.pt");
  CHECK(*detail::value_behind(model.root(), {"mine"})->get<std::string>() == "kept");
  CHECK(std::ranges::any_of(g.report.notes, [](const auto& n) { return says(n, "ZeRO counts the steps of a group"); }));
  const auto again = modelgrow::plan(g.plan.schema(), Net2Wider{.space = "ffn", .to = 12});
  CHECK(again.write(Checkpoint::open(g.scratch / "grown"), g.scratch / "twice").optimizer_moved);
  CHECK(read_deepspeed(g.scratch / "twice").ranks == 2);
}

TEST_CASE("runs of DeepSpeed that do not fit are refused, and nothing is written") {
  const auto t = trained("AdamW");
  const auto refusal = [&](auto&& change, WritePlan how = {}) {
    const tiny::Scratch scratch;
    deepspeed_run::Run(t).write(scratch / "base", 2, 2, groups_of(t.run.schema));
    const auto step = scratch / "base/global_step20";
    change(step, how);
    const auto text =
        message_of<error>([&] { wider().write(Checkpoint::open(scratch / "base"), scratch / "grown", how); });
    CHECK(scratch.entries() == (text.empty() ? 2 : 1));
    return text;
  };
  using Path = std::filesystem::path;
  const char* const last = "zero_pp_rank_1_mp_rank_00_optim_states.pt";
  CHECK(refusal([](const Path&, WritePlan&) {}) == "");
  CHECK(says(refusal([&](const Path& step, WritePlan&) { std::filesystem::remove(step / last); }),
             "optimizer of rank 1 of 2 is missing"));
  CHECK(says(refusal([&](const Path& step, WritePlan&) { put(step / last, get(step / last).substr(0, 2000)); }), last));
  CHECK(says(refusal([&](const Path& step, WritePlan&) {
               auto other = deepspeed_run::Run(t);
               other.steps = 21;
               other.write(step / "other", 2, 2, groups_of(t.run.schema));
               std::filesystem::rename(step / "other/global_step20" / last, step / last);
             }),
             last, "'step' of group 0", "different steps"));
  CHECK(says(refusal([](const Path&, WritePlan& how) { how.state.leave_behind = {"optimizer"}; }),
             "was to be left behind", "modelgrow convert"));
}

TEST_CASE("the folder of a step, and a folder named as the file of a run") {
  const tiny::Scratch scratch;
  deepspeed_run::Run(trained("AdamW")).write(scratch / "base", 1, 2, groups_of(mlp::schema()));
  CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch / "base/global_step20"); }),
             "one step of a run of DeepSpeed", "the folder above it"));
  std::filesystem::remove(scratch / "base/latest");
  std::filesystem::create_directory(scratch / "base/latest");
  CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch / "base"); }), "no .safetensors or torch file"));
}

TEST_CASE("all of a group with other rates, and optimizers that look at whole tensors") {
  const auto t = trained("AdamW");
  const tiny::Scratch scratch;
  deepspeed_run::Groups groups(2);
  for (const auto& name : parameter_names(t.run.schema)) groups[name.ends_with("mlp.down.weight")].push_back(name);
  deepspeed_run::Run(t).write(scratch / "base", 1, 2, groups);
  const auto in = Checkpoint::open(scratch / "base");
  CHECK(says(message_of<format_error>([&] { wider().write(in, scratch / "grown"); }), "all parameters of group 1",
             "multipliers=off"));
  CHECK(deeper().write(in, scratch / "grown").optimizer_moved);
  const tiny::Scratch other;
  deepspeed_run::Run(t).write(other / "base", 1, 2, groups_of(t.run.schema));
  auto state = read_deepspeed(other / "base").optimizer;
  state.tell("prodigy");
  CHECK(says(message_of<format_error>([&] { detail::check_elementwise(state); }), "Prodigy", "parts of rows"));
}
