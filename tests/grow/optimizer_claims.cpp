// SPDX-License-Identifier: MIT
// What is said of other optimizers: claims and their conditions, the first step of new parameters, groups of equal
// factors; and the tables of docs/training-state.md (MODELGROW_WRITE_DOCS=1 writes them anew).
#include <modelgrow/grow/optimizers/rate_groups.hpp>
#include <modelgrow/grow/optimizers/trajectory.hpp>

#include "optimizer_run.hpp"
#include "tests/support/docs_table.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::says;
using run::Run;
using run::Trained;

namespace {

const run::Case& case_of(const std::vector<run::Case>& all, std::string_view what) {
  return *std::ranges::find(all, what, [](const run::Case& c) { return std::string_view(c.what); });
}

/// The largest first step of what an insertion adds and closes, in rates.
template <class G>
double first_step(G group, Optimizer optimizer, int steps) {
  group.s = {.rate = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 0, .decay = 0};
  Run r(run::Case{.what = "", .optimizer = optimizer, .make = run::maker<G>([&](G& g) { g = group; }), .rate = 1e-3},
        mlp::schema());
  r.w = tiny::random_state(r.schema);
  r.train(0, steps);
  const auto p = modelgrow::plan(r.schema, InsertBlocks{.at = {1}});
  Run grown = r.grown(p, grow_optimizer(p, r.save()));
  grown.at_rest.clear();
  double rate = 1e-3, most = 0;
  if constexpr (std::same_as<G, plain::Prodigy>) rate *= static_cast<const G*>(grown.own.operator->())->d;
  grown.train(steps, steps + 1);
  for (double x : grown.w["blocks.1.mlp.down.weight"]) most = std::max(most, std::abs(x));
  return most / rate;
}

std::string factor_text(const StepFactors& consumer, const StepFactors& producer, Factor StepFactors::*which) {
  const auto text = [](const Factor& f) -> std::string {
    const double x = *f.everywhere();
    const double powers[] = {0.25, 0.5, 1, 2, 4};
    const char* names[] = {"1/K", "1/sqrt(K)", "1", "sqrt(K)", "K"};
    for (std::size_t i = 0; i < std::size(powers); ++i)
      if (std::abs(x - powers[i]) < 1e-12) return names[i];
    return std::to_string(x);
  };
  const auto c = text(consumer.*which), p = text(producer.*which);
  if (c == "1" && p == "1") return "none";
  if (p == "1") return "consumer " + c;
  if (c == "1") return "producer " + p;
  return "consumer " + c + ", producer " + p;
}

/// What a rule says of an entry.
std::string entry_text(const StateEntry& e) {
  std::string text = "`" + std::string(e.name) + "` " + std::string(words_of(e.moves)[std::size_t(e.moves)]);
  if (e.start != 0) text += " from 1";
  switch (e.form) {
    case EntryForm::whole:
    case EntryForm::number:
      break;
    case EntryForm::flat:
      text += ", flat";
      break;
    case EntryForm::last_is_one:
    case EntryForm::without_last:
      text += ", mean over the last axis";
      break;
    case EntryForm::second_last_is_one:
    case EntryForm::without_second_last:
      text += ", mean over the one before";
      break;
  }
  return text;
}

std::string rules_table() {
  // K = 4 copies everywhere: "down" consumes ffn and "up" produces it, and both are matrices that are wider than high
  // or higher than wide, whatever the growth.
  const auto plan = modelgrow::plan(mlp::schema(4, 6), Net2Wider{.space = "ffn", .times = 4});
  const auto recipes = plan.recipes();
  const auto recipe = [&](std::string_view name) -> const Recipe& {
    return *std::ranges::find(recipes, name, [](const Recipe& r) { return std::string_view(r.name); });
  };
  std::string text =
      "| in a file | optimizer | entries | factor on the rate | on epsilon | on weight decay | trajectory | new "
      "parameters |\n|---|---|---|---|---|---|---|---|\n";
  for (const auto& rule : optimizer_rules()) {
    std::string entries;
    for (const auto& e : rule.entries) entries += (entries.empty() ? "" : "<br>") + entry_text(e);
    const auto consumer = step_factors(rule, recipe("blocks.0.mlp.down.weight")),
               producer = step_factors(rule, recipe("blocks.0.mlp.up.weight"));
    const auto& why = rule.reservations;
    std::string claim = "EXACT-IF the norm of all gradients is not clipped";
    if (!why.condition.empty()) claim = "wider: EXACT-IF " + std::string(why.condition) + "; always: " + claim;
    if (!why.wider.empty()) claim = "wider: APPROXIMATE: " + std::string(why.wider) + "; deeper: " + claim;
    if (!why.ever.empty()) claim = "APPROXIMATE: " + std::string(why.ever);
    if (!why.uneven_units.empty()) claim += "<br>uneven units: APPROXIMATE: " + std::string(why.uneven_units);
    if (!why.uneven_shares.empty()) claim += "<br>uneven shares: APPROXIMATE: " + std::string(why.uneven_shares);
    if (!rule.remark.empty()) claim += "<br>" + std::string(rule.remark);
    constexpr std::string_view newcomers[] = {"own step 0", "nothing is counted: as in a new run",
                                              "the group counts: the first step has another size"};
    text += "| `" + std::string(name(rule.optimizer)) + "` | " + std::string(rule.of) + " | " + entries + " | " +
            factor_text(consumer, producer, &StepFactors::rate) + " | " +
            factor_text(consumer, producer, &StepFactors::epsilon) + " | " +
            factor_text(consumer, producer, &StepFactors::decay) +
            (rule.decay == DecayKind::coupled ? ", coupled" : "") + " | " + claim + " | " +
            std::string(newcomers[std::size_t(rule.newcomer)]) + " |\n";
  }
  return text;
}
std::string proofs_table() {
  std::string text = "| run | wider: losses are off by at most | deeper, new parameters at rest |\n|---|---|---|\n";
  for (const auto& c : run::cases()) {
    char bound[32];
    std::snprintf(bound, sizeof bound, "%.0e", c.wider);
    text += "| " + c.what + " | " + bound + " | 1e-12 |\n";
  }
  return text;
}

}  // namespace

TEST_CASE("docs/training-state.md holds the rules of today") {
  modelgrow::testing::check_docs_table("docs/training-state.md",
                                       rules_table() +
                                           "\nHeld to these optimizers in double, twenty steps before the growth and "
                                           "twenty after (`tests/grow/optimizer_rules.cpp`):\n\n" +
                                           proofs_table());
}

TEST_CASE("claims about the trajectory under other optimizers") {
  const auto s = mlp::schema();
  const auto ffn = modelgrow::plan(s, Net2Wider{.space = "ffn", .times = 2}),
             deep = modelgrow::plan(s, InsertBlocks{.every = 1});
  CHECK(to_string(trajectory_of(ffn, Optimizer::sgd)) ==
        "EXACT-IF (gradients are not clipped by the norm of them all)");
  CHECK(trajectory_of(ffn, Optimizer::sgd, NormClipping::none).exactness == Exactness::exact);
  CHECK(says(to_string(trajectory_of(ffn, Optimizer::adamw, NormClipping::active)), "APPROXIMATE", "clipped"));
  CHECK(says(to_string(trajectory_of(ffn, Optimizer::muon)), "APPROXIMATE", "bf16"));
  CHECK(trajectory_of(deep, Optimizer::muon, NormClipping::none).exactness == Exactness::exact);
  CHECK(says(to_string(trajectory_of(deep, Optimizer::prodigy, NormClipping::none)), "APPROXIMATE", "one rate"));
  // A file of this library: AdamW is its own trainer's, whatever is beside it is not.
  CHECK(trajectory_of(ffn, std::vector{Optimizer::adamw}) == ffn.trajectory());
  CHECK(says(to_string(trajectory_of(ffn, std::vector{Optimizer::adamw, Optimizer::lion})), "EXACT-IF"));
  Plan reset = ffn;
  reset.move_state({.moments = Moments::zeroed});
  CHECK(says(to_string(trajectory_of(reset, Optimizer::lion)), "APPROXIMATE", "start at zero"));
}

TEST_CASE("the first step of a new parameter, where the group counts") {
  const auto schedule_free = [](int steps) {
    return rule_of(Optimizer::schedule_free).first_step({.steps = steps, .beta1 = 0.9, .beta2 = 0.999});
  };
  for (const int steps : {1, 20, 50})
    CHECK_THAT(first_step(plain::ScheduleFree{}, Optimizer::schedule_free, steps),
               WithinRel(schedule_free(steps), 1e-9));
  CHECK_THAT(schedule_free(50), WithinAbs(0.83, 0.005));  // as schedulefree 1.4.1 was seen to do
  plain::Prodigy prodigy;
  prodigy.corrected = true;
  CHECK_THAT(first_step(prodigy, Optimizer::prodigy, 20),
             WithinRel(rule_of(Optimizer::prodigy).first_step({.steps = 20}), 1e-9));
  CHECK_THAT(first_step(plain::Adam{}, Optimizer::adam, 20), WithinRel(1.0, 1e-9));  // with a counter of its own

  const auto deep = modelgrow::plan(mlp::schema(), InsertBlocks{.every = 1});
  CHECK(says(newcomers_of(deep, Optimizer::schedule_free), "counts steps for a group", "1 rates after 100 steps"));
  CHECK(newcomers_of(deep, Optimizer::adam).empty());
  CHECK(newcomers_of(modelgrow::plan(mlp::schema(), Net2Wider{.space = "ffn", .times = 2}), Optimizer::schedule_free)
            .empty());
}

TEST_CASE("the average of ScheduleFree grows, whichever of x and y is in the file") {
  const auto all = run::cases();
  const Trained small(case_of(all, "ScheduleFree"));
  const auto p = modelgrow::plan(mlp::schema(), Net2Wider{.space = "ffn", .to = 12},
                                 Net2Wider{.space = "hidden", .to = 8}, InsertBlocks{.every = 1});
  const Run grown = small.run.grown(p, grow_optimizer(p, small.state));
  const auto average = [](const Run& r) {
    auto x = r.w;
    for (auto& [name, values] : x)
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = schedule_free_average(values[i], r.state.at(name).at("z")[i], 0.9);
    return x;
  };
  const auto x = average(small.run), grown_x = average(grown);
  CHECK_THAT(mlp::loss(grown_x, 7), WithinRel(mlp::loss(x, 7), 1e-13));
  CHECK(std::abs(mlp::loss(small.run.w, 7) / mlp::loss(x, 7) - 1) > 1e-6);  // y is another function
  const auto evaluated = tiny::from_dict(grow_weights(p, tiny::to_dict<double>(p.source(), x)));
  for (const auto& [name, values] : evaluated)
    for (std::size_t i = 0; i < values.size(); ++i) CHECK_THAT(values[i], WithinAbs(grown_x.at(name)[i], 1e-14));
}

TEST_CASE("parameters that need the same factors share a group") {
  const auto s = mlp::schema();
  const auto even = modelgrow::plan(s, Net2Wider{.space = "ffn", .to = 12});
  const auto sgd = rate_groups(even, Optimizer::sgd);
  REQUIRE(sgd.groups.size() == 3);
  CHECK(sgd.uneven.empty());
  CHECK(sgd.groups[0].rate == 1);
  CHECK(std::ranges::count(sgd.groups[0].parameters, "head.weight") == 1);
  for (const auto& g : sgd.groups) {
    if (g.rate == 2)
      CHECK((g.decay == 0.5 && g.epsilon == 1 && std::ranges::count(g.parameters, "blocks.1.mlp.up.bias")));
    if (g.rate == 0.5)
      CHECK((g.decay == 2 &&
             g.parameters == std::vector<std::string>{"blocks.0.mlp.down.weight", "blocks.1.mlp.down.weight"}));
  }
  CHECK(rate_groups(even, Optimizer::adafactor).groups.size() == 1);
  std::size_t parameters = 0;
  const auto adam = rate_groups(even, Optimizer::adam);
  for (const auto& g : adam.groups) parameters += g.parameters.size();
  CHECK(parameters == even.schema().parameters.size());
  for (const auto& g : rate_groups(even, Optimizer::muon).groups)  // has no vectors
    for (const auto& name : g.parameters) CHECK_FALSE(name.ends_with(".bias"));
  const auto uneven = rate_groups(modelgrow::plan(s, Net2Wider{.space = "ffn", .to = 9}), Optimizer::lion);
  CHECK(uneven.uneven == std::vector<std::string>{"blocks.0.mlp.down.weight", "blocks.1.mlp.down.weight"});
}
