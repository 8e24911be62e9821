// SPDX-License-Identifier: MIT
// State of other optimizers in files and folders: grown, proven, read back, told of; and refused where it contradicts
// itself or is not all there.
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/operators/optimizer_policy.hpp>

#include "disk.hpp"
#include "optimizer_run.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
using run::Run;
using run::Trained;

namespace {

Trained trained(std::string_view what) {
  const auto all = run::cases();
  return Trained(*std::ranges::find(all, what, [](const run::Case& c) { return std::string_view(c.what); }));
}
HostTensor zeros(const Shape& shape, DType dtype = DType::f64) {
  return {.dtype = dtype, .shape = shape, .bytes = std::vector<std::byte>(byte_size(dtype, shape).value())};
}
/// A folder with a run of the small network.
void write_run(const tiny::fs::path& path, const Trained& t, const StateDict& state) {
  tiny::fs::create_directory(path);
  tiny::write_dict(path / "model.safetensors", tiny::to_dict<double>(t.run.schema, t.run.w));
  tiny::write_dict(path / "optimizer.safetensors", state);
}
/// What growing a run says whose state was changed before; nothing is written then.
template <class F>
std::string refusal(const char* what, F&& change) {
  const Trained t = trained(what);
  StateDict state = t.state;
  change(state);
  const tiny::Scratch scratch;
  write_run(scratch / "base", t, state);
  const auto text = message_of<format_error>([&] {
    modelgrow::plan(t.run.schema, InsertBlocks{.every = 1})
        .write(Checkpoint::open(scratch / "base"), scratch / "grown");
  });
  CHECK(scratch.entries() == 1);
  return text;
}

}  // namespace

TEST_CASE("a folder with state of other optimizers grows as a whole and says what is claimed") {
  for (const char* what : {"Muon in bf16", "Adafactor", "ScheduleFree", "Prodigy", "CAME"}) {
    INFO(what);
    const Trained t = trained(what);
    const tiny::Scratch scratch;
    write_run(scratch / "base", t, t.state);
    const auto p = modelgrow::plan(t.run.schema, Net2Wider{.space = "ffn", .to = 12}, InsertBlocks{.every = 1});
    const auto in = Checkpoint::open(scratch / "base");
    const auto report = p.write(in, scratch / "grown");
    CHECK(report.optimizer_moved);
    CHECK(report.trajectory == trajectory_of(p, t.run.optimizer));
    const bool told =
        std::ranges::any_of(report.notes, [](const auto& n) { return says(n, "counts steps for a group"); });
    CHECK(told == (rule_of(t.run.optimizer).newcomer == Newcomer::group_counter));
    const auto out = Checkpoint::open(scratch / "grown");
    CHECK(tiny::read_dict(out.optimizer()) == grow_optimizer(p, t.state));
    const auto found = check_grown(out, in, t.run.schema);
    CHECK(found.trajectory == report.trajectory);
    CHECK(found.optimizer_tensors > 0);
    // A second growth takes what the first one wrote, factors too.
    const auto again = modelgrow::plan(p.schema(), Net2Wider{.space = "hidden", .to = 8});
    CHECK(again.write(out, scratch / "twice").optimizer_moved);
  }
}

TEST_CASE("new parameters get the state that others have, or none") {
  const auto deeper = modelgrow::plan(mlp::schema(), InsertBlocks{.at = {1}});
  const std::string up = "blocks.1.mlp.up.weight", down = "blocks.1.mlp.down.weight";
  const auto all_are = [](const StateDict& d, const std::string& name, double x) {
    const auto values = tiny::numbers(d.at(name));
    return std::ranges::all_of(values, [&](double v) { return v == x; });
  };
  const auto nadam = grow_optimizer(deeper, trained("NAdam").state);
  CHECK(all_are(nadam, "nadam.exp_avg." + up, 0));
  CHECK(all_are(nadam, "nadam.step." + up, 0));
  CHECK(all_are(nadam, "nadam.mu_product." + up, 1));
  const auto free = grow_optimizer(deeper, trained("ScheduleFree").state);
  CHECK(free.at("schedule_free.z." + up) == free.at("schedule_free.z.blocks.0.mlp.up.weight"));
  CHECK(all_are(free, "schedule_free.z." + down, 0));
  const auto prodigy = grow_optimizer(deeper, trained("Prodigy").state);
  CHECK(prodigy.contains("prodigy.p0.blocks.2.mlp.up.weight"));
  for (const auto& [name, t] : prodigy) CHECK(name.find(".blocks.1.") == name.npos);
  // In a file of one optimizer what an operator adds gets state too; among several nobody knows whose it would be.
  const auto adds = [](Plan& p) {
    p.add({ParamSpec{.name = "extra.weight",
                     .dtype = DType::f64,
                     .info = {.axes = {out(Extent(2)), in(Space{.name = "hidden", .size = 4})},
                              .init = Init::zeros(),
                              .purpose = Purpose::closes}}});
  };
  Plan p(mlp::schema());
  adds(p);
  CHECK(grow_optimizer(p, trained("Adafactor").state).at("adafactor.row_var.extra.weight").shape == Shape{2, 1});
  CHECK(grow_optimizer(p, trained("CAME").state).at("came.exp_avg_res_col.extra.weight").shape == Shape{4});
  CHECK_FALSE(grow_optimizer(p, trained("Adafactor").state).contains("adafactor.variance.extra.weight"));
  for (const auto& [name, t] : grow_optimizer(p, trained("Muon in bf16").state)) CHECK(name.find("extra") == name.npos);
}

TEST_CASE("weights in full precision beside any state grow as weights do") {
  const Trained t = trained("Lion");
  const auto weights = tiny::to_dict<double>(t.run.schema, t.run.w);
  StateDict state = t.state;
  for (const auto& [name, w] : weights) state[state_name(Optimizer::lion, "master", name)] = w;
  const auto p = modelgrow::plan(t.run.schema, Net2Wider{.space = "ffn", .to = 9}, InsertBlocks{.at = {1}});
  const auto moved = grow_optimizer(p, state);
  for (const auto& [name, w] : grow_weights(p, weights))
    CHECK(moved.at(state_name(Optimizer::lion, "master", name)) == w);
}

TEST_CASE("a policy holds for every optimizer") {
  const auto with = [](const char* what, const OptimizerPolicy& policy) {
    const Trained t = trained(what);
    const auto p = modelgrow::plan(t.run.schema, Net2Wider{.space = "ffn", .to = 12, .map = UnitMap::tiled}, policy);
    auto moved = grow_optimizer(p, t.state);
    const auto a = detail::views_of(t.state), b = detail::views_of(moved);
    CHECK_NOTHROW(check_optimizer(p, TensorSet(a, "old"), TensorSet(b, "grown")));
    return moved;
  };
  const auto reset = with("CAME", {.moments = Moments::reset_new});
  const auto m = tiny::numbers(reset.at("came.exp_avg.blocks.0.mlp.up.bias"));
  for (std::size_t i = 0; i < 12; ++i) CHECK((m[i] == 0) == (i >= 6));  // updates of copies are none, squares stay
  for (double x : tiny::numbers(reset.at("came.exp_avg_sq.blocks.0.mlp.up.bias"))) CHECK(x > 0);
  const auto zeroed = with("NAdam", {.moments = Moments::zeroed});
  for (double x : tiny::numbers(zeroed.at("nadam.exp_avg_sq.head.weight"))) CHECK(x == 0);
  CHECK(tiny::numbers(zeroed.at("nadam.mu_product.head.weight")) == plain::Numbers{1.0});
  const auto off = with("SGD", {.multipliers = Rates::off});
  for (const auto& [name, t] : off) CHECK_FALSE(is_factor(parse_state_name(name)->entry));
  CHECK(with("SGD", {.multipliers = Rates::annealed, .steps = 10}).contains("sgd.anneal.blocks.0.mlp.up.bias"));
}

TEST_CASE("names of optimizer state") {
  const auto parsed = parse_state_name("muon.momentum_buffer.blocks.0.weight");
  REQUIRE(parsed);
  CHECK((parsed->optimizer == Optimizer::muon && parsed->entry == "momentum_buffer" &&
         parsed->parameter == "blocks.0.weight"));
  for (const char* other : {"scheduler", "adamw", "adamw.m", "adamw.m.", "adamw..w", "state.w.exp_avg", ".m.w"})
    CHECK_FALSE(parse_state_name(other));
  CHECK(optimizer_name(OptimizerKind::anneal, "w") == "adamw.anneal.w");
  CHECK_FALSE(parse_optimizer_name("lion.exp_avg.w"));
  CHECK_FALSE(parse_optimizer_name("adamw.max_exp_avg_sq.w"));
  for (std::size_t i = 0; i < optimizer_rules().size(); ++i) {
    const auto& rule = optimizer_rules()[i];
    CHECK(rule.optimizer == static_cast<Optimizer>(i));
    CHECK((rule.newcomer == Newcomer::group_counter) == (rule.first_step != nullptr));
    for (const auto& e : rule.entries) CHECK((!is_factor(e.name) && e.name != master_entry.name));
  }
}

TEST_CASE("state that contradicts itself or is not all there is refused by name") {
  CHECK(says(refusal("Adafactor", [](StateDict& d) { d.erase("adafactor.col_var.head.weight"); }),
             "parameter 'head.weight' has the entry 'row_var' of adafactor and no entry 'col_var'"));
  CHECK(says(refusal("Adafactor", [](StateDict& d) { d["adafactor.row_var.head.weight"] = zeros(Shape{2}); }),
             "'adafactor.row_var.head.weight' has shape [2]", "expects [2, 1]"));
  CHECK(says(refusal("Lion",
                     [](StateDict& d) {
                       d["sgd.momentum_buffer.head.weight"] = zeros(Shape{2, 4});
                     }),
             "parameter 'head.weight' has state of lion and of sgd", "one optimizer"));
  CHECK(says(refusal("Lion",
                     [](StateDict& d) {
                       d["lion.exp_avg_sq.head.weight"] = zeros(Shape{2, 4});
                     }),
             "the entry 'exp_avg_sq' of lion, for which there is no rule", "'exp_avg'"));
  CHECK(says(refusal("Lion",
                     [](StateDict& d) {
                       d["rprop.prev.head.weight"] = zeros(Shape{2, 4});
                     }),
             "'rprop.prev.head.weight' is state of 'head.weight' by its name", "no rule for 'rprop.prev'"));
  CHECK(says(refusal("Lion",
                     [](StateDict& d) {
                       d["lion.exp_avg.other.weight"] = zeros(Shape{2, 4});
                     }),
             "the state of 'other.weight' belongs to no parameter"));
  CHECK(says(refusal("SGD", [](StateDict& d) { d["sgd.lr.head.weight"] = zeros(Shape{4}); }),
             "'sgd.lr.head.weight' has type F64 and shape [4]", "expected F64 and [2, 4], or 1 in place of either"));
  CHECK(says(refusal("SGD",
                     [](StateDict& d) {
                       d["sgd.lr.head.weight"] = zeros(Shape{2, 1}, DType::f64);
                     }),
             "'sgd.lr.head.weight' has a factor that is not above 0"));
  CHECK(says(refusal("Adam",
                     [](StateDict& d) {
                       d["adamw.decay.head.weight"] = zeros(Shape{1, 1}, DType::f64);
                     }),
             "the entry 'decay' of adamw, for which there is no rule"));
  CHECK(says(refusal("NAdam",
                     [](StateDict& d) {
                       for (auto& [name, t] : d)
                         if (name.starts_with("nadam.mu_product.")) t = zeros(Shape{}, DType::i64);
                     }),
             "I64"));
}
