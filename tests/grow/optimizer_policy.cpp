// SPDX-License-Identifier: MIT
// What becomes of optimizer state: carried, without the first moments of what is new, or zero; multipliers for good,
// not at all, or annealed. The weights are the same whatever is said, and the file check holds state to it.
#include <functional>
#include <set>

#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/operators/optimizer_policy.hpp>
#include <modelgrow/grow/plan_json.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;

namespace {

const tiny::Config small{};

/// A growth by everything that copies, with its optimizer state.
struct Grown {
  Plan p;
  StateDict old, now;

  explicit Grown(const OptimizerPolicy& policy)
      : p(plan(tiny::schema(small), Net2Wider{.space = "ffn", .to = 13, .seed = 4, .splits = Splits::dyadic}, policy,
               Net2Wider{.space = "hidden", .to = 12}, InsertBlocks{.every = 1})) {
    auto w = tiny::random_state(p.source());
    tiny::AdamW adam(p.source());
    for (int step = 0; step < 3; ++step) adam.step(w, tiny::gradient(small, w, step));
    old = adam.save(p.source());
    now = grow_optimizer(p, old);
  }
  std::vector<double> numbers(const std::string& name) const { return tiny::numbers(now.at(name)); }
  std::string after(std::function<void(StateDict&)> edit) const {
    StateDict changed = now;
    edit(changed);
    const auto a = modelgrow::detail::views_of(old), b = modelgrow::detail::views_of(changed);
    return message_of<check_error>([&] { check_optimizer(p, TensorSet(a, "old"), TensorSet(b, "grown")); });
  }
};
double* doubles(HostTensor& t) { return reinterpret_cast<double*>(t.bytes.data()); }
const std::string fc1 = "blocks.2.mlp.fc1.weight", fc2 = "blocks.2.mlp.fc2.weight";  // [13, 12] and [12, 13], block 1

}  // namespace

TEST_CASE("new units have no first moment and the second one of the unit that they copy") {
  const Grown carried({}), reset({.moments = Moments::reset_new});
  CHECK(carried.p.trajectory().exactness == Exactness::exact);
  CHECK(says(to_string(reset.p.trajectory()), "APPROXIMATE", "new units have no first moment"));
  CHECK(reset.p.certificate().exactness == Exactness::exact);
  const auto w = tiny::to_dict<double>(carried.p.source(), tiny::random_state(carried.p.source()));
  CHECK(grow_weights(carried.p, w) == grow_weights(reset.p, w));
  const auto& ffn = std::get<Remap>(reset.p.steps()[0].verb).maps[0].from;
  std::int64_t kept = 0;
  for (const auto& [name, rows] : {std::pair{fc1, std::int64_t(13)}, std::pair{fc2, std::int64_t(12)}}) {
    const auto m = reset.numbers("adamw.m." + name), all = carried.numbers("adamw.m." + name);
    const std::int64_t columns = std::int64_t(m.size()) / rows;
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) {
        const std::int64_t unit = name == fc1 ? i : j, channel = name == fc1 ? j : i;
        const bool first = unit == std::find(ffn.begin(), ffn.end(), ffn[std::size_t(unit)]) - ffn.begin();
        const auto at = std::size_t(i * columns + j);
        CHECK(m[at] == (first && channel % 2 == 0 ? all[at] : 0.0));  // hidden units stand beside their copies
        kept += m[at] != 0;
      }
    CHECK(reset.numbers("adamw.v." + name) == carried.numbers("adamw.v." + name));
    CHECK(reset.numbers("adamw.step." + name)[0] == 3);
  }
  CHECK(kept == 2 * 5 * 6);
  CHECK(reset.now.at("adamw.lr." + fc2) == carried.now.at("adamw.lr." + fc2));
  CHECK(reset.after([](StateDict&) {}).empty());
  CHECK(says(reset.after([&](StateDict& d) { doubles(d["adamw.m." + fc1])[1] = 1e-3; }), "does not add up"));
  CHECK(says(reset.after([&](StateDict& d) { doubles(d["adamw.m." + fc1])[0] *= 2; }), "does not add up"));
  CHECK(says(carried.after([&](StateDict& d) { d["adamw.m." + fc1] = reset.now.at("adamw.m." + fc1); }),
             "does not add up"));
}

TEST_CASE("zeroed state is zero, with all counters") {
  const Grown zeroed({.moments = Moments::zeroed});
  CHECK(says(to_string(zeroed.p.trajectory()), "all moments and step counters start at zero"));
  for (const auto& [name, t] : zeroed.now)
    if (name.starts_with("adamw.m.") || name.starts_with("adamw.v.") || name.starts_with("adamw.step."))
      for (const double x : tiny::numbers(t)) CHECK(x == 0);
  CHECK(zeroed.now.contains("adamw.lr." + fc2));
  CHECK(zeroed.after([](StateDict&) {}).empty());
  CHECK(says(zeroed.after([&](StateDict& d) { doubles(d["adamw.v." + fc2])[3] = 1; }), "all moments start at zero"));
}

TEST_CASE("multipliers stay, go, or are annealed") {
  const Grown on({}), off({.multipliers = Rates::off}), annealed({.multipliers = Rates::annealed, .steps = 40});
  for (const auto& [name, t] : off.now) CHECK_FALSE((name.starts_with("adamw.lr.") || name.starts_with("adamw.eps.")));
  CHECK(says(to_string(off.p.trajectory()), "without multipliers"));
  CHECK(says(to_string(annealed.p.trajectory()), "annealed to 1 over 40 steps"));
  std::int64_t left = 0;
  for (const auto& [name, t] : annealed.now)
    if (!name.starts_with("adamw.anneal."))
      CHECK(t == on.now.at(name));
    else
      CHECK(*reinterpret_cast<const std::int64_t*>(t.bytes.data()) == (++left, 40));
  std::set<std::string> scaled;
  for (const auto& [name, t] : on.now)
    if (const auto n = parse_optimizer_name(name); n->kind == OptimizerKind::lr || n->kind == OptimizerKind::eps)
      scaled.insert(n->parameter);
  CHECK(left == std::int64_t(scaled.size()));
  // A later growth goes on with it, in the numbers that are left.
  const Plan later = plan(annealed.p.schema(), InsertBlocks{.at = {1}});
  CHECK(grow_optimizer(later, annealed.now).contains("adamw.anneal.blocks.3.mlp.fc2.weight"));
  CHECK(annealed.after([](StateDict&) {}).empty());
}

TEST_CASE("of a unit that is copied twice one is old") {
  const Schema s = tiny::schema(small);
  const Plan p = plan(s, OptimizerPolicy{.moments = Moments::reset_new}, Net2Wider{.space = "ffn", .to = 10},
                      Net2Wider{.space = "ffn", .to = 20});
  tiny::AdamW adam(s);
  auto w = tiny::random_state(s);
  adam.step(w, tiny::gradient(small, w, 0));
  const auto old = adam.save(s), now = grow_optimizer(p, old);
  const auto a = modelgrow::detail::views_of(old), b = modelgrow::detail::views_of(now);
  CHECK_NOTHROW(check_optimizer(p, TensorSet(a, "old"), TensorSet(b, "grown")));
  std::int64_t kept = 0;
  for (const double x : tiny::numbers(now.at("adamw.m.blocks.0.mlp.fc1.bias"))) kept += x != 0;
  CHECK(kept == 5);
}

TEST_CASE("a policy is said once, with steps that fit, and comes back from JSON") {
  const Schema s = tiny::schema(small);
  for (const OptimizerPolicy& op :
       {OptimizerPolicy{}, OptimizerPolicy{.moments = Moments::reset_new, .multipliers = Rates::off},
        OptimizerPolicy{.moments = Moments::zeroed, .multipliers = Rates::annealed, .steps = 7}}) {
    const Plan p = plan(s, op, InsertBlocks{.every = 1});
    const Plan again = plan_from_json(to_json(p), s);
    CHECK(to_json(again) == to_json(p));
    CHECK(again.moves_state() == p.moves_state());
  }
  const auto refused = [&](const auto&... ops) { return message_of<plan_error>([&] { plan(s, ops...); }); };
  CHECK(says(refused(OptimizerPolicy{}, InsertBlocks{.every = 1}, OptimizerPolicy{}), "was said twice"));
  CHECK(says(refused(OptimizerPolicy{.multipliers = Rates::annealed}), "annealed and .steps is 0; expected 1 or more"));
  CHECK(says(refused(OptimizerPolicy{.steps = 3}), "only annealing takes steps"));
}

TEST_CASE("files are moved as states in memory are") {
  const tiny::Scratch scratch;
  tiny::make_directory<float>(scratch / "in", tiny::Config{});
  const auto in = Checkpoint::open(scratch / "in");
  const auto state = tiny::read_dict(Checkpoint::open(scratch / "in" / "optimizer.safetensors"));
  int n = 0;
  for (const OptimizerPolicy& op :
       {OptimizerPolicy{.moments = Moments::reset_new, .multipliers = Rates::annealed, .steps = 7},
        OptimizerPolicy{.moments = Moments::zeroed, .multipliers = Rates::off}}) {
    const Plan p = plan(tiny::disk_schema(small), Net2Wider{.space = "ffn", .to = 10}, op);
    const auto out = scratch / std::to_string(n++);
    const Report report = p.write(in, out);
    CHECK(says(trajectory_text(report.trajectory, report.optimizer_moved), "APPROXIMATE"));
    CHECK(tiny::read_dict(Checkpoint::open(out / "optimizer.safetensors")) == grow_optimizer(p, state));
  }
}
