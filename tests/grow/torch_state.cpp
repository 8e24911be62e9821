// SPDX-License-Identifier: MIT
// Runs of torch: state that torch.save wrote beside weights grows with them, in its own form, and training goes on as
// if nothing had grown. What does not fit is refused, and what cannot be read is told of.
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/operators/optimizer_policy.hpp>

#include "disk.hpp"
#include "tests/support/message.hpp"
#include "tests/support/pickle_bytes.hpp"
#include "tests/support/raw_files.hpp"
#include "torch_run.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;
using run::Run;
using run::Trained;

namespace {

using torch_run::matrices;
using torch_run::parameter_names;
using torch_run::stored;
using torch_run::trained;

/// A run in a folder, as accelerate writes it.
void write_run(const tiny::fs::path& path, const Trained& t) {
  tiny::fs::create_directory(path);
  tiny::write_dict(path / "model.safetensors", tiny::to_dict<double>(t.run.schema, t.run.w));
  const auto& s = t.run.schema;
  if (t.run.rank == 0) {
    write_torch_optimizer(path / "optimizer.bin",
                          stored(t.state, t.run.optimizer, {matrices(s, true), matrices(s, false)}));
    return;
  }
  std::vector<std::string> own, others;
  for (const auto& p : s.parameters) (t.run.of(p.shape()) == t.run.optimizer ? own : others).push_back(p.name);
  write_torch_optimizer(path / "optimizer.bin", stored(t.state, t.run.optimizer, {own}));
  write_torch_optimizer(path / "optimizer_1.bin", stored(t.state, Optimizer::adamw, {others}));
}

WritePlan in_order(const Schema& s) {
  WritePlan how;
  how.state.order = parameter_names(s);
  return how;
}

/// The run that torch would go on with, having loaded the folder, with the groups of param_groups.json or without.
Run continued(const Trained& t, const Plan& p, const tiny::fs::path& folder, bool with_groups = true) {
  const auto groups = read_param_groups(folder);
  StateDict state;
  for (const auto& [file, g] : groups) {
    auto s = read_torch_optimizer(folder / file);
    REQUIRE(s.parameters.size() == g.parameters.size());
    for (std::size_t i = 0; i < g.parameters.size(); ++i) s.parameters[i].name = g.parameters[i];
    for (const auto& tensor : s.tensors()) {
      auto& to = state[tensor.name()] = HostTensor{.dtype = tensor.dtype(), .shape = tensor.shape(), .bytes = {}};
      to.bytes.resize(std::size_t(tensor.bytes()));
      tensor.read(0, to.bytes);
    }
  }
  Run next = t.run.grown(p, state);
  for (const auto& [file, g] : groups)
    for (const auto& split : g.splits)
      for (const auto& parameter : split.parameters)
        if (with_groups)
          next.factors[parameter] = StepFactors{
              .rate = {.rows = {split.rate}}, .epsilon = {.rows = {split.epsilon}}, .decay = {.rows = {split.decay}}};
  return next;
}

/// What growing a run of AdamW says after `change` was made to its folder; nothing is written then.
template <class F>
std::string refusal(F&& change, WritePlan how = in_order(mlp::schema())) {
  const Trained t = trained("AdamW");
  const tiny::Scratch scratch;
  write_run(scratch / "base", t);
  change(scratch / "base", how);
  const auto text = message_of<format_error>([&] {
    modelgrow::plan(t.run.schema, InsertBlocks{.every = 1})
        .write(Checkpoint::open(scratch / "base"), scratch / "grown", how);
  });
  CHECK(scratch.entries() == 1);
  return text;
}

}  // namespace

TEST_CASE("runs of torch go on as if nothing had grown") {
  for (const char* what : {"AdamW", "Adam", "SGD", "Adafactor", "Muon, original, in double"}) {
    INFO(what);
    const Trained t = trained(what);
    const tiny::Scratch scratch;
    write_run(scratch / "base", t);
    const auto in = Checkpoint::open(scratch / "base");
    for (const bool wider : {true, false}) {
      INFO(wider);
      const auto p = wider ? modelgrow::plan(t.run.schema, Net2Wider{.space = "ffn", .to = 12})
                           : modelgrow::plan(t.run.schema, InsertBlocks{.every = 1});
      const auto out = scratch / (wider ? "wider" : "deeper");
      const auto report = p.write(in, out, in_order(t.run.schema));
      CHECK(report.optimizer_moved);
      const auto losses = continued(t, p, out).train(Trained::steps, Trained::steps + Trained::more);
      CHECK(run::apart(t.losses, losses) < 1e-12);
      const auto groups = read_param_groups(out);
      CHECK(groups.size() == (t.run.rank == 0 ? 1 : 2));
      bool splits = false;
      for (const auto& [file, g] : groups) {
        splits |= !g.splits.empty();
        CHECK(read_torch_optimizer(out / file).groups.size() == (t.run.rank == 0 ? 2 : 1));
      }
      CHECK(splits == (wider && t.run.optimizer != Optimizer::adafactor));
      CHECK(says(to_string(report.trajectory), "param_groups.json") ==
            (splits && report.trajectory.exactness != Exactness::approximate));
      if (splits) {
        const auto without = continued(t, p, out, false).train(Trained::steps, Trained::steps + Trained::more);
        CHECK(run::apart(t.losses, without) > 1e-9);
      }
      const auto found = check_grown(Checkpoint::open(out), in, t.run.schema);
      CHECK(found.optimizer_tensors > 0);
      // A second growth knows the numbers from the first one.
      const auto again = modelgrow::plan(p.schema(), InsertBlocks{.at = {0}});
      CHECK(again.write(Checkpoint::open(out), scratch / (wider ? "wider2" : "deeper2")).optimizer_moved);
    }
  }
}

TEST_CASE("new parameters in the middle shift the numbers of all later ones, group by group") {
  const Trained t = trained("AdamW");
  const tiny::Scratch scratch;
  write_run(scratch / "base", t);
  const auto p = modelgrow::plan(t.run.schema, InsertBlocks{.at = {1}});
  p.write(Checkpoint::open(scratch / "base"), scratch / "grown", in_order(t.run.schema));
  const auto groups = read_param_groups(scratch / "grown").at("optimizer.bin");
  auto expected = matrices(p.schema(), true);
  for (const auto& vector : matrices(p.schema(), false)) expected.push_back(vector);
  CHECK(groups.parameters == expected);
  CHECK(groups.optimizer == "adamw");
  const auto grown = read_torch_optimizer(scratch / "grown/optimizer.bin");
  CHECK_FALSE(grown.has_names());
  CHECK(grown.groups[0].parameters.size() == matrices(p.schema(), true).size());
  CHECK(*grown.groups[1].options.find("weight_decay")->get<double>() == 0.1);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& e = *grown.parameters[i].find("step");
    double step = 0;
    e.tensor.read(0, std::as_writable_bytes(std::span(&step, 1)));
    CHECK(step == (expected[i].starts_with("blocks.1.") ? 0 : Trained::steps));
  }
  // With names in the file nobody has to give an order, and the grown one has names again.
  auto named = stored(t.state, Optimizer::adamw, {parameter_names(t.run.schema)});
  named.param_names = true;
  for (auto& q : named.parameters) q.name = "module." + q.name;
  write_torch_optimizer(scratch / "base/optimizer.bin", named);
  p.write(Checkpoint::open(scratch / "base"), scratch / "named");
  const auto with_names = read_torch_optimizer(scratch / "named/optimizer.bin");
  REQUIRE(with_names.has_names());
  CHECK(with_names.parameters[2].name == "module.blocks.0.mlp.up.weight");
}

TEST_CASE("parameters in another order than that of modules") {
  const Trained t = trained("AdamW");
  const tiny::Scratch scratch;
  write_run(scratch / "base", t);
  auto names = parameter_names(t.run.schema);
  std::ranges::sort(names, [](const auto& a, const auto& b) { return a.ends_with("bias") < b.ends_with("bias"); });
  std::ranges::swap(names[2], names[4]);
  auto state = stored(t.state, Optimizer::adamw, {names});
  state.param_names = true;
  write_torch_optimizer(scratch / "base/optimizer.bin", state);
  const auto in = Checkpoint::open(scratch / "base");
  const auto deeper = modelgrow::plan(t.run.schema, InsertBlocks{.at = {1}});
  CHECK(says(message_of<format_error>([&] { deeper.write(in, scratch / "deeper"); }), "optimizer.bin", "group 0",
             "order of modules", "named_parameters()", "--leave-behind"));
  const auto wider = modelgrow::plan(t.run.schema, Net2Wider{.space = "ffn", .to = 12});
  wider.write(in, scratch / "wider");
  CHECK(read_param_groups(scratch / "wider").at("optimizer.bin").parameters == names);
  // Where names are the keys, no order matters.
  state.ids = StoredOptimizer::Ids::names;
  write_torch_optimizer(scratch / "base/optimizer.bin", state);
  CHECK(deeper.write(in, scratch / "deeper").optimizer_moved);
  const auto both = read_torch_optimizer(scratch / "deeper/optimizer.bin");  // names as keys, and a list of names
  CHECK(both.ids == StoredOptimizer::Ids::names);
  CHECK(both.param_names);
}

TEST_CASE("what goes with a state is carried over, and the rest is named") {
  const Trained t = trained("AdamW");
  const tiny::Scratch scratch;
  write_run(scratch / "base", t);
  for (const char* file : {"scheduler.bin", "random_states_0.pkl", "custom_checkpoint_0.pkl"})
    put(scratch / "base" / file, file);
  const auto in = Checkpoint::open(scratch / "base");
  const auto p = modelgrow::plan(t.run.schema, InsertBlocks{.every = 1});
  auto how = in_order(t.run.schema);
  const auto report = p.write(in, scratch / "grown", how);
  CHECK(get(scratch / "grown/scheduler.bin") == "scheduler.bin");
  CHECK(get(scratch / "grown/random_states_0.pkl") == "random_states_0.pkl");
  CHECK_FALSE(tiny::fs::exists(scratch / "grown/custom_checkpoint_0.pkl"));
  const auto told = [](const Report& r, const auto&... parts) {
    return std::ranges::any_of(r.notes, [&](const auto& n) { return says(n, parts...); });
  };
  CHECK(told(report, "'custom_checkpoint_0.pkl' was not grown"));
  CHECK_FALSE(told(report, "scheduler.bin"));

  how.state.leave_behind = {"opt*"};
  const auto without = p.write(in, scratch / "without", how);
  CHECK_FALSE(without.optimizer_moved);
  CHECK(says(trajectory_text(without.trajectory, without.optimizer_moved), "begins anew"));
  CHECK(told(without, "'optimizer.bin' was not grown"));
  CHECK_FALSE(tiny::fs::exists(scratch / "without/optimizer.bin"));
  CHECK(check_grown(Checkpoint::open(scratch / "without"), in, t.run.schema).optimizer_tensors == 0);
}

TEST_CASE("state that cannot be read is told of, and nothing is claimed") {
  const Trained t = trained("Muon, original, in double");
  const tiny::Scratch scratch;
  write_run(scratch / "base", t);
  auto named = stored(t.state, Optimizer::muon, {matrices(t.run.schema, true)});
  named.param_names = true;
  write_torch_optimizer(scratch / "base/optimizer.bin", named);
  const auto in = Checkpoint::open(scratch / "base");
  const auto p = modelgrow::plan(t.run.schema, InsertBlocks{.every = 1});
  const std::string objects[] = {torch_zip(pickled::file("cgalore_torch.galore_projector\nGaLoreProjector\n"), {}), {}};
  for (const auto& bytes : objects) {
    if (!bytes.empty()) {
      put(scratch / "base/optimizer_1.bin", bytes);
    } else {
      auto strange = stored(t.state, Optimizer::adamw, {matrices(t.run.schema, false)});
      strange.param_names = true;
      for (auto& q : strange.parameters) q.entries[0].name = "projected";
      write_torch_optimizer(scratch / "base/optimizer_1.bin", strange);
    }
    tiny::fs::remove_all(scratch / "grown");
    const auto report = p.write(in, scratch / "grown");
    CHECK(report.optimizer_moved);
    CHECK(report.trajectory.exactness == Exactness::approximate);
    CHECK(says(report.trajectory.reason, "'optimizer_1.bin' was left behind"));
    CHECK(std::ranges::any_of(report.notes, [&](const auto& n) {
      return says(n, "'optimizer_1.bin' was not grown", bytes.empty() ? "no rule" : "GaLoreProjector");
    }));
  }
}

TEST_CASE("state that can be read and does not fit is refused, and nothing is written") {
  const Trained t = trained("AdamW");
  using Path = tiny::fs::path;
  CHECK(says(refusal([](const Path&, WritePlan& how) { how.state.order.clear(); }), "optimizer.bin",
             "nobody says which is which", "--parameter-order", "--leave-behind"));
  CHECK(says(refusal([](const Path&, WritePlan& how) { how.state.order.pop_back(); }), "has 14 parameters", "13"));
  CHECK(says(refusal([](const Path&, WritePlan& how) { how.state.order[0] = "embed.wait"; }), "embed.weight"));
  CHECK(says(refusal([](const Path&, WritePlan& how) { how.state.frozen = {"embed.*"}; }), "12 of the model"));
  CHECK(says(refusal([](const Path& base, WritePlan&) {
               const auto bytes = get(base / "optimizer.bin");
               put(base / "optimizer.bin", bytes.substr(0, bytes.size() / 2));
             }),
             "optimizer.bin", "--leave-behind"));
  CHECK(says(refusal([&](const Path& base, WritePlan&) {
               auto other = stored(t.state, Optimizer::adamw, {parameter_names(t.run.schema)});
               other.param_names = true;
               std::swap(other.parameters[0].entries, other.parameters[1].entries);
               write_torch_optimizer(base / "optimizer.bin", other);
             }),
             "optimizer.bin", "'exp_avg' of parameter 'embed.weight'", "--leave-behind"));
  CHECK(says(refusal([](const Path& base, WritePlan&) {
               std::filesystem::copy(base / "optimizer.bin", base / "optimizer_1.bin");
             }),
             "28 parameters", "overlap"));
  CHECK(says(refusal([](const Path& base, WritePlan& how) {
               put(base / "param_groups.json", R"({"optimizer.bin": {"before": [], "parameters": ["a"]}})");
               how.state.order.clear();
             }),
             "14 parameters", "1 names", "another save"));
}

TEST_CASE("an altered state is found") {
  const Trained t = trained("AdamW");
  const tiny::Scratch scratch;
  write_run(scratch / "base", t);
  const auto in = Checkpoint::open(scratch / "base");
  modelgrow::plan(t.run.schema, InsertBlocks{.every = 1}).write(in, scratch / "grown", in_order(t.run.schema));
  const auto out = Checkpoint::open(scratch / "grown");
  CHECK(check_grown(out, in, t.run.schema).as_written);
  const auto grown = read_torch_optimizer(scratch / "grown/optimizer.bin");
  const auto altered = [&](auto&& change) {
    auto other = grown;
    change(other);
    std::filesystem::create_directory(scratch / "altered");
    write_torch_optimizer(scratch / "altered/optimizer.bin", other);
    std::filesystem::copy_file(scratch / "altered/optimizer.bin", scratch / "grown/optimizer.bin",
                               std::filesystem::copy_options::overwrite_existing);
    return message_of<error>([&] { check_grown(out, in, t.run.schema); });
  };
  CHECK(altered([](StoredOptimizer&) {}).empty());
  CHECK(says(altered([](StoredOptimizer& s) { s.groups[0].options.set("lr", PickleValue(0.5)); }), "optimizer.bin"));
  std::filesystem::remove(scratch / "grown/checksums.json");
  CHECK(altered([](StoredOptimizer&) {}).empty());
  CHECK(says(altered([](StoredOptimizer& s) { std::swap(s.parameters[1].entries, s.parameters[7].entries); }),
             "optimizer.bin", "blocks.0.mlp.up.weight"));
  CHECK(says(altered([](StoredOptimizer& s) { s.parameters[0].entries.clear(); }), "optimizer.bin"));
  CHECK(says(altered([](StoredOptimizer& s) {
               s.parameters.pop_back();
               s.groups.back().parameters.pop_back();
             }),
             "23 parameters", "24 names"));
}

TEST_CASE("without multipliers no groups are asked for, and nothing exact is claimed") {
  const Trained t = trained("AdamW");
  const tiny::Scratch scratch;
  write_run(scratch / "base", t);
  const auto p = modelgrow::plan(t.run.schema, allow_approximate, OptimizerPolicy{.multipliers = Rates::off},
                                 Net2Wider{.space = "ffn", .to = 12});
  const auto report = p.write(Checkpoint::open(scratch / "base"), scratch / "grown", in_order(t.run.schema));
  CHECK(report.trajectory.exactness == Exactness::approximate);
  CHECK(read_param_groups(scratch / "grown").at("optimizer.bin").splits.empty());
}

TEST_CASE("a run with its model in a folder keeps that form") {
  const Trained t = trained("AdamW");
  const tiny::Scratch scratch;
  write_run(scratch / "run", t);
  std::filesystem::create_directory(scratch / "run/transformer");
  std::filesystem::rename(scratch / "run/model.safetensors", scratch / "run/transformer/model.safetensors");
  put(scratch / "run/scheduler.bin", "s");
  put(scratch / "run/notes.txt", "n");
  const auto in = Checkpoint::open(scratch / "run");
  CHECK(in.path() == scratch / "run/transformer");
  const auto p = modelgrow::plan(t.run.schema, InsertBlocks{.every = 1});
  const auto report = p.write(in, scratch / "grown", in_order(t.run.schema));
  CHECK(report.optimizer_moved);
  CHECK(std::ranges::any_of(report.notes, [](const auto& n) { return says(n, "'notes.txt' was not grown"); }));
  CHECK(get(scratch / "grown/scheduler.bin") == "s");
  CHECK(std::filesystem::exists(scratch / "grown/transformer/model.safetensors"));
  CHECK(read_param_groups(scratch / "grown").contains("optimizer.bin"));
  const auto out = Checkpoint::open(scratch / "grown");
  CHECK(check_grown(out, in, t.run.schema).optimizer_tensors > 0);
  CHECK(run::apart(t.losses, continued(t, p, scratch / "grown").train(Trained::steps, Trained::steps + Trained::more)) <
        1e-12);
  const auto again = modelgrow::plan(p.schema(), InsertBlocks{.at = {0}});
  CHECK(again.write(out, scratch / "twice").optimizer_moved);
  // Its weights alone are a folder like any other.
  CHECK_FALSE(p.write(Checkpoint::open(scratch / "run/transformer"), scratch / "alone").optimizer_moved);
  // Without state beside it, the folder above is nothing.
  std::filesystem::remove(scratch / "run/optimizer.bin");
  CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch / "run"); }), "give '"));
}

TEST_CASE("of several models of accelerate one grows, with its own optimizer") {
  const Trained t = trained("AdamW");
  const tiny::Scratch scratch;
  write_run(scratch / "base", t);
  const StateDict other{{"sgd.momentum_buffer.a", tiny::raw(DType::f64, Shape{3, 5}, 120)}};
  write_torch_optimizer(scratch / "base/optimizer_1.bin", stored(other, Optimizer::sgd, {{"a"}}));
  tiny::write_dict(scratch / "base/model_1.safetensors", {{"a", tiny::raw(DType::f64, Shape{3, 5}, 120)}});
  const auto report = modelgrow::plan(t.run.schema, InsertBlocks{.every = 1})
                          .write(Checkpoint::open(scratch / "base"), scratch / "grown", in_order(t.run.schema));
  CHECK(report.optimizer_moved);
  CHECK(read_param_groups(scratch / "grown").size() == 1);
  CHECK_FALSE(std::filesystem::exists(scratch / "grown/optimizer_1.bin"));
  for (const char* left : {"'model_1.safetensors' was not grown", "'optimizer_1.bin' was not grown"})
    CHECK(std::ranges::any_of(report.notes, [&](const auto& n) { return says(n, left); }));
}

TEST_CASE("an average of diffusers keeps its settings") {
  const Trained t = trained("AdamW");
  const tiny::Scratch scratch;
  write_run(scratch / "base", t);
  std::filesystem::create_directory(scratch / "base/ema");
  std::filesystem::copy(scratch / "base/model.safetensors", scratch / "base/ema/model.safetensors");
  put(scratch / "base/ema/config.json", R"({"decay": 0.999, "optimization_step": 20, "power": 0.75})");
  const auto report = modelgrow::plan(t.run.schema, InsertBlocks{.every = 1})
                          .write(Checkpoint::open(scratch / "base"), scratch / "grown", in_order(t.run.schema));
  CHECK(report.grown_along == std::vector<std::string>{"ema", "optimizer.bin"});
  CHECK(says(get(scratch / "grown/ema/config.json"), "\"decay\": 0.999", "\"optimization_step\": 20"));
}
