// SPDX-License-Identifier: MIT
// Growth in the middle of a run: model, AdamW and averages grow in a hook, and the wide model follows the trajectory of
// the small one as if nothing had happened (growth-maths, section 4).
#include <modelgrow/core/rng.hpp>
#include <modelgrow/grow/live.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/operators/optimizer_policy.hpp>
#include <modelgrow/train/trainer.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/growing_net.hpp"
#include "tests/support/scratch.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
using mg::testing::Scratch;

namespace {

using Net = mg::testing::GrowingNet<double, mg::Cpu>;
using Trainer = mg::Trainer<Net, double, mg::Cpu>;

mg::TrainerOptions some_options() {
  return {
      .steps = 12, .schedule = {.peak = 0.02}, .adamw = {.eps = 1e-3, .weight_decay = 0.1}, .ema = mg::EmaOptions{}};
}

std::vector<double> losses_of(Trainer& trainer, Net& net) {
  std::vector<double> losses;
  trainer.every(1, [&](const mg::StepReport& r) { losses.push_back(r.loss); });
  trainer.run([&](auto& tape, std::int64_t i) { return tiny::loss(net, tape, i); });
  return losses;
}

}  // namespace

TEST_CASE("a model grown between two steps follows the losses of the one that was not") {
  Net small(5), grown(5);
  Trainer plain(small, some_options()), growing(grown, some_options());
  // Twice the units, and a number that gives them different numbers of copies.
  const std::int64_t size = GENERATE(10, 13);
  growing.at(6, [&](const mg::StepReport&) {
    const auto plan = mg::plan(grown, mg::Net2Wider{.space = "ffn", .to = size});
    mg::grow(plan, grown, growing.optimizer(), *growing.ema());
  });
  const auto expected = losses_of(plain, small), found = losses_of(growing, grown);
  REQUIRE(grown.up.value.dim(0) == size);
  CHECK(growing.optimizer().states().at("up").step == 12);
  for (std::size_t i = 0; i < 12; ++i) CHECK_THAT(found[i], WithinRel(expected[i], i < 6 ? 1e-15 : 1e-12));
  const auto weights = plain.ema()->use_in(small), averages = growing.ema()->use_in(grown);
  mg::Tape<double, mg::Cpu> tape(mg::Tape<double, mg::Cpu>::Mode::infer);
  CHECK_THAT(tiny::loss(grown, tape, 99).value().data()[0],
             WithinRel(tiny::loss(small, tape, 99).value().data()[0], 1e-12));
}

TEST_CASE("a grown run saves and resumes with its multipliers") {
  const Scratch directory;
  auto options = some_options();
  options.steps = 6;
  options.directory = directory / "latest";
  Net net(5), whole(5), again(13);
  const auto plan_of = [](const Net& n) { return mg::plan(n, mg::Net2Wider{.space = "ffn", .to = 13}); };
  Trainer first(net, options);
  first.at(4, [&](const mg::StepReport&) { mg::grow(plan_of(net), net, first.optimizer(), *first.ema()); });
  auto found = losses_of(first, net);
  options.steps = 12;
  Trainer second(again, options);
  second.resume(directory / "latest");
  CHECK(second.optimizer().states().at("down").lr().size() == 13);
  const auto rest = losses_of(second, again);
  found.insert(found.end(), rest.begin(), rest.end());

  options.directory.clear();
  Trainer uninterrupted(whole, options);
  uninterrupted.at(4, [&](const mg::StepReport&) {
    mg::grow(plan_of(whole), whole, uninterrupted.optimizer(), *uninterrupted.ema());
  });
  CHECK(found == losses_of(uninterrupted, whole));
}

TEST_CASE("a policy holds for live optimizers: the same function, another trajectory") {
  const auto policy = GENERATE(mg::OptimizerPolicy{.moments = mg::Moments::zeroed},
                               mg::OptimizerPolicy{.moments = mg::Moments::reset_new},
                               mg::OptimizerPolicy{.multipliers = mg::Rates::off},
                               mg::OptimizerPolicy{.multipliers = mg::Rates::annealed, .steps = 3});
  Net small(5), grown(5);
  Trainer plain(small, some_options()), growing(grown, some_options());
  std::vector<std::vector<double>> multipliers;
  growing.at(6, [&](const mg::StepReport&) {
    const auto plan = mg::plan(grown, policy, mg::Net2Wider{.space = "ffn", .to = 10});
    mg::grow(plan, grown, growing.optimizer(), *growing.ema());
  });
  growing.every(1, [&](const mg::StepReport&) { multipliers.push_back(growing.optimizer().states().at("down").lr()); });
  const auto expected = losses_of(plain, small), found = losses_of(growing, grown);
  CHECK_THAT(found[6], WithinRel(expected[6], 1e-12));
  double most = 0;
  for (std::size_t i = 7; i < 12; ++i) most = std::max(most, std::abs(found[i] / expected[i] - 1));
  CHECK(most > 1e-6);
  CHECK(growing.optimizer().states().at("up").step == (policy.moments == mg::Moments::zeroed ? 6 : 12));
  const auto one = std::vector<double>{1.0};
  if (policy.multipliers == mg::Rates::annealed) {
    CHECK(multipliers[5] == std::vector<double>{0.5});
    CHECK_THAT(multipliers[6][0], WithinRel(std::pow(0.5, 2.0 / 3), 1e-12));
    CHECK_THAT(multipliers[7][0], WithinRel(std::pow(0.5, 1.0 / 3), 1e-12));
    CHECK(multipliers[8] == one);
  } else {
    CHECK(multipliers[11] == (policy.multipliers == mg::Rates::off ? one : std::vector<double>{0.5}));
  }
}

TEST_CASE("a run that anneals its multipliers resumes in the middle of it") {
  const Scratch directory;
  auto options = some_options();
  const auto plan_of = [](const Net& n) {
    return mg::plan(n, mg::OptimizerPolicy{.multipliers = mg::Rates::annealed, .steps = 6},
                    mg::Net2Wider{.space = "ffn", .to = 13});
  };
  const auto grow_at_4 = [&](Trainer& trainer, Net& net) {
    trainer.at(4, [&](const mg::StepReport&) { mg::grow(plan_of(net), net, trainer.optimizer(), *trainer.ema()); });
  };
  Net whole(5), net(5), again(13);
  Trainer uninterrupted(whole, options);
  grow_at_4(uninterrupted, whole);
  const auto expected = losses_of(uninterrupted, whole);
  options.steps = 7;
  options.directory = directory / "latest";
  Trainer first(net, options);
  grow_at_4(first, net);
  auto found = losses_of(first, net);
  CHECK(first.optimizer().states().at("down").anneal == 3);
  options.steps = 12;
  Trainer second(again, options);
  second.resume(directory / "latest");
  const auto rest = losses_of(second, again);
  found.insert(found.end(), rest.begin(), rest.end());
  CHECK(found == expected);
  CHECK(second.optimizer().states().at("down").anneal == 0);
}

TEST_CASE("a model whose averages stand in for its weights is neither trained nor grown nor saved") {
  const Scratch directory;
  auto options = some_options();
  options.directory = directory / "latest";
  Net net(5);
  Trainer trainer(net, options);
  losses_of(trainer, net);
  const double up = net.up.value.data()[0];
  const auto refused = [&](auto&& f) {
    const auto in_use = trainer.ema()->use_in(net);
    try {
      f();
    } catch (const mg::error& e) {
      return std::string(e.what()).find("in use in place of the weights") != std::string::npos;
    }
    return false;
  };
  const auto plan = mg::plan(net, mg::Net2Wider{.space = "ffn", .to = 10});
  CHECK(refused([&] { mg::grow(plan, net, trainer.optimizer(), *trainer.ema()); }));
  CHECK(refused([&] { trainer.save(); }));
  CHECK(refused([&] { trainer.resume(options.directory); }));
  CHECK(net.up.value.data()[0] == up);
  options.steps = 13;
  Trainer more(net, options);
  const auto in_use = more.ema()->use_in(net);
  CHECK_THROWS_AS(more.run([&](auto& tape, std::int64_t i) { return tiny::loss(net, tape, i); }), mg::error);
}
