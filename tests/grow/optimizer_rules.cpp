// SPDX-License-Identifier: MIT
// Every rule of grow/optimizers/ against its optimizer: twenty steps, growth with state, twenty more. The losses are
// those of the run that did not grow, and are not where any part of the rule is spoiled.
#include <modelgrow/checkpoint/optimizer_classes.hpp>
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/optimizers/trajectory.hpp>

#include "optimizer_run.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
using run::Run;
using run::Trained;

namespace {

struct Growth {
  const char* what;
  Plan plan;
};
const Plan& wider() {
  static const Plan p =
      modelgrow::plan(mlp::schema(), Net2Wider{.space = "ffn", .to = 12}, Net2Wider{.space = "hidden", .to = 8});
  return p;
}
std::vector<Growth> growths() {
  const auto s = mlp::schema();
  std::vector<Growth> all;
  all.push_back({"ffn x2", plan(s, Net2Wider{.space = "ffn", .to = 12, .seed = 3})});
  all.push_back({"hidden x3", plan(s, Net2Wider{.space = "hidden", .to = 12, .map = UnitMap::tiled})});
  all.push_back({"both", wider()});
  all.push_back({"depth", plan(s, InsertBlocks{.every = 1})});
  all.push_back({"depth and ffn x2", plan(s, InsertBlocks{.at = {1}}, Net2Wider{.space = "ffn", .to = 12})});
  return all;
}

/// Whether two states say the same up to rounding.
bool same(const StateDict& a, const StateDict& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, t] : a) {
    const auto it = b.find(name);
    if (it == b.end() || it->second.shape != t.shape) return false;
    const auto x = tiny::numbers(t), y = tiny::numbers(it->second);
    for (std::size_t i = 0; i < x.size(); ++i)
      if (std::abs(x[i] - y[i]) > 1e-14 * std::abs(x[i])) return false;
  }
  return true;
}
std::string refusal(const Plan& p, const StateDict& old, const StateDict& now) {
  const auto a = detail::views_of(old), b = detail::views_of(now);
  return message_of<check_error>([&] { check_optimizer(p, TensorSet(a, "old"), TensorSet(b, "grown")); });
}

}  // namespace

TEST_CASE("every optimizer goes on as if nothing had grown") {
  for (const auto& c : run::cases()) {
    const Trained small(c);
    for (const auto& [what, p] : growths()) {
      INFO(c.what << ", " << what);
      const bool depth_only = std::string_view(what) == "depth";
      const auto moved = grow_optimizer(p, small.state);
      const double off = small.off(p, moved);
      CHECK(off <= (depth_only ? 1e-12 : c.wider));
      const auto claim = trajectory_of(p, c.optimizer, NormClipping::none);
      if (claim.exactness == Exactness::exact) CHECK(off <= 1e-12);
      if (c.wider > 1e-12 && !depth_only) {
        CHECK(claim.exactness == Exactness::approximate);
        CHECK(off > 1e-5);  // the reason is one
      }
      CHECK(refusal(p, small.state, moved) == "");
      CHECK(small.off(p, {}) > 1e-4);  // nor would it go on without its state
    }
  }
}

TEST_CASE("a spoiled rule leaves the trajectory") {
  const Plan& p = wider();
  std::set<std::string> seen;
  for (const auto& c : run::cases()) {
    const Trained small(c);
    const auto& rule = rule_of(c.optimizer);
    const auto moved = grow_optimizer(p, small.state);
    const auto losses = [&](Run grown) { return grown.train(Trained::steps, Trained::steps + Trained::more); };
    const Run grown = small.run.grown(p, moved);
    const auto honest = losses(grown);
    for (const auto& e : rule.entries) {
      INFO(c.what << ", entry " << e.name);
      StateDict wrong = moved;
      bool there = false;
      for (auto& [name, t] : wrong) {
        const auto parsed = parse_state_name(name);
        if (parsed->optimizer != c.optimizer || parsed->entry != e.name) continue;
        const bool producer = parsed->parameter.find(".up.") != std::string::npos;
        auto* values = reinterpret_cast<double*>(t.bytes.data());
        for (std::size_t i = 0; i < t.bytes.size() / sizeof(double); ++i)
          values[i] *= e.moves == Moves::counted ? 0 : producer ? 2 : 1;
        there = true;
      }
      CHECK((there || e.presence == StateEntry::Presence::sometimes));
      if (!there) continue;
      seen.insert(state_name(c.optimizer, e.name, ""));
      const bool only_counts =
          e.name == "step" && (c.optimizer == Optimizer::rmsprop || c.optimizer == Optimizer::adadelta ||
                               c.optimizer == Optimizer::prodigy);
      if (!only_counts) CHECK(run::apart(honest, losses(small.run.grown(p, wrong))) > 1e-9);
      CHECK(says(refusal(p, small.state, wrong), state_name(c.optimizer, e.name, "")));
    }
    const auto without = [&](const char* what, Factor StepFactors::*factor, bool expected) {
      INFO(c.what << " without factors of the " << what);
      Run forgetful = grown;
      bool any = false;
      for (const auto& q : forgetful.schema.parameters)
        if (forgetful.of(q.shape()) == c.optimizer)
          any |= !std::exchange(forgetful.factors[q.name].*factor, Factor{}).one();
      CHECK(any == expected);
      if (any) CHECK(run::apart(honest, losses(forgetful)) > 1e-7);
    };
    const bool rates = rule.step != StepLike::weights && !rule.one_rate;
    without("rate", &StepFactors::rate, rates);
    without("epsilon", &StepFactors::epsilon, rule.epsilon);
    without("decay", &StepFactors::decay, rates);
    if (rule.step == StepLike::weights) {  // whose rule is to have none
      Run as_adam = grown;
      for (const auto& r : p.recipes()) as_adam.factors[r.name] = step_factors(rule_of(Optimizer::adam), r);
      CHECK(run::apart(honest, losses(as_adam)) > 1e-3);
    }
  }
  for (const auto& rule : optimizer_rules())
    for (const auto& e : rule.entries) {
      INFO(state_name(rule.optimizer, e.name, ""));
      const bool unused = rule.optimizer == Optimizer::came && e.moves == Moves::counted;
      const bool in_adam = rule.optimizer == Optimizer::adamw && e.name == "max_exp_avg_sq";
      CHECK(seen.contains(state_name(rule.optimizer, e.name, "")) != (unused || in_adam));
    }
}

TEST_CASE("uneven copies: factors by row and column, or a claim that is not made") {
  const auto s = mlp::schema();
  const std::vector<Plan> uneven{
      modelgrow::plan(s, Net2Wider{.space = "ffn", .to = 9, .seed = 5}),
      modelgrow::plan(s, Net2Wider{.space = "ffn", .to = 18, .seed = 6, .splits = Splits::dyadic})};
  for (const auto& c : run::cases()) {
    const Trained small(c);
    const auto& reservations = rule_of(c.optimizer).reservations;
    for (const auto& p : uneven) {
      INFO(c.what << ", ffn -> " << p.schema().space("ffn").space.size);
      const auto moved = grow_optimizer(p, small.state);
      const double off = small.off(p, moved);
      const auto claim = trajectory_of(p, c.optimizer, NormClipping::none);
      CHECK(refusal(p, small.state, moved) == "");
      if (claim.exactness == Exactness::exact) {
        CHECK(off <= 1e-12);
      } else if (!reservations.uneven_units.empty()) {
        const bool dyadic = p.schema().space("ffn").space.size == 18;
        CHECK(says(claim.reason, "'ffn' have different ",
                   std::string(dyadic ? reservations.uneven_shares : reservations.uneven_units)));
        CHECK(off > 1e-5);
      }
    }
  }
}

TEST_CASE("growing twice moves any state as growing once does") {
  const auto s = mlp::schema();
  const auto first = modelgrow::plan(s, Net2Wider{.space = "ffn", .to = 9, .seed = 5});
  const auto second = modelgrow::plan(first.schema(), Net2Wider{.space = "hidden", .to = 12}, InsertBlocks{.at = {1}});
  const auto both = modelgrow::plan(s, Net2Wider{.space = "ffn", .to = 9, .seed = 5},
                                    Net2Wider{.space = "hidden", .to = 12}, InsertBlocks{.at = {1}});
  for (const auto& c : run::cases()) {
    INFO(c.what);
    const Trained small(c);
    CHECK(same(grow_optimizer(both, small.state), grow_optimizer(second, grow_optimizer(first, small.state))));
  }
}

TEST_CASE("what files can hold of an optimizer is what its rule moves, entry by entry") {
  const auto shape_of_form = [](EntryForm form) {
    if (form == EntryForm::whole) return EntryShape::whole;
    if (form == EntryForm::flat) return EntryShape::flat;
    return form == EntryForm::number ? EntryShape::number : EntryShape::factored;
  };
  for (const auto& rule : optimizer_rules()) {
    INFO(name(rule.optimizer));
    const auto* read = optimizer_class(name(rule.optimizer));
    REQUIRE(read);
    std::set<std::string_view> held;
    for (const auto& e : read->entries) {
      INFO(e.here);
      CHECK(held.insert(e.here).second);
      const auto* moved = find_entry(rule, e.here);
      REQUIRE(moved);
      CHECK(shape_of_form(moved->form) == e.shape);
    }
    CHECK(held.size() == rule.entries.size());
  }
}
