// SPDX-License-Identifier: MIT
// Learned growth of STDiT: it starts as the plan says, its coefficients have the right gradients, and some steps on
// them alone lower the loss below that of the plan.
#include <modelgrow/grow/live.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/models/stdit.hpp>
#include <modelgrow/train/learned_growth.hpp>

#include "tests/models/stdit_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace test;
using mg::Cpu;
using modelgrow::testing::message_of;
using modelgrow::testing::says;

namespace {

using Model = mg::Stdit<double, Cpu>;
using Growth = mg::LearnedGrowth<Model, double, Cpu>;

Model random_model() {
  Model model(tiny_config());
  randomise(model, 5, 0.15);
  return model;
}
auto loss_of(Model& model, const Inputs<double>& in) {
  return [&model, &in, target = random_tensor<double>({2, 3, 4, 8, 8}, 99)](mg::Tape<double, Cpu>& tape) {
    return mg::mse(tape, model.forward(tape, tape.constant(in.x), in.t, in.text(tape)), target);
  };
}
double value_of(Model& model, const Inputs<double>& in) {
  mg::Tape<double, Cpu> tape(mg::Tape<double, Cpu>::Mode::infer);
  return loss_of(model, in)(tape).data()[0];
}

}  // namespace

TEST_CASE("learned growth starts as the plan says", "[ligo]") {
  const Inputs<double> in(tiny_config());
  for (const auto start : {mg::BlockStart::closed, mg::BlockStart::plain}) {
    const Model small = random_model();
    Model grown = small, by_plan = small;
    const auto plan = mg::plan(small, mg::allow_approximate, mg::Net2Wider{.space = "ffn", .to = 75},
                               mg::InsertBlocks{.every = 1, .start = start}, mg::Net2Wider{.space = "hidden", .to = 48},
                               mg::Net2Wider{.space = "ffn", .to = 100});
    mg::grow(plan, grown);
    mg::grow(plan, by_plan);
    randomise(grown, 8);
    for (const auto* name : {"pos_embed", "pos_embed_temporal"}) at(grown, name).value = at(by_plan, name).value;
    Growth growth(plan, small, grown);
    std::int64_t same = 0, all = 0;
    mg::for_each_parameter(grown, [&](const std::string& path, auto& p) {
      const auto& expected = at(by_plan, path).value;
      double most = 0;
      for (std::int64_t i = 0; i < p.value.size(); ++i)
        most = std::max(most, std::abs(p.value.data()[i] - expected.data()[i]));
      same += most <= 1e-15;
      ++all;
    });
    CHECK(same > all * 9 / 10);  // but for what neither width nor depth touches
    CHECK(growth.coefficients().size() == 8);
  }
}

TEST_CASE("coefficients have the gradients of the loss, and learning them lowers it", "[ligo]") {
  const Inputs<double> in(tiny_config());
  const Model small = random_model();
  Model grown = small;
  const auto plan = mg::plan(small, mg::Net2Wider{.space = "ffn", .to = 70}, mg::InsertBlocks{.every = 1},
                             mg::Net2Wider{.space = "hidden", .to = 48});
  mg::grow(plan, grown);
  Growth growth(plan, small, grown);
  const double before = value_of(grown, in);
  const auto loss = loss_of(grown, in);
  CHECK_THAT(growth.gradients(loss), WithinRel(before, 1e-12));
  for (auto& entry : growth.coefficients()) {
    auto& c = entry.second;  // lambdas of older clang capture no structured bindings
    INFO(entry.first);
    std::size_t most = 0;
    for (std::size_t i = 0; i < c.gradient.size(); ++i)
      if (std::abs(c.gradient[i]) > std::abs(c.gradient[most])) most = i;
    for (const std::size_t i : {most, c.value.size() / 2, std::size_t(0)}) {
      const double keep = c.value[i], h = 1e-4;
      const auto at_value = [&](double x) {
        c.value[i] = x;
        growth.put_weights();
        return value_of(grown, in);
      };
      const double numeric =
          (8 * (at_value(keep + h) - at_value(keep - h)) - (at_value(keep + 2 * h) - at_value(keep - 2 * h))) /
          (12 * h);
      at_value(keep);
      CHECK(std::abs(numeric - c.gradient[i]) <= 1e-6 * (std::abs(c.gradient[most]) + 1e-9));
    }
    CHECK(std::abs(c.gradient[most]) > 0);
    std::fill(c.gradient.begin(), c.gradient.end(), 0.0);
  }
  for (int i = 0; i < 10; ++i) growth.step(loss, 3e-3);
  CHECK(value_of(grown, in) < before);
}

TEST_CASE("noise of the plan parts copies, which are alike without, and what is made of other weights follows",
          "[ligo]") {
  const Inputs<double> in(tiny_config());
  const Model small = random_model();
  const auto learned = [&](const mg::Net2Wider& op) {
    Model grown = small;
    const auto plan = mg::plan(small, op);
    mg::grow(plan, grown);
    Growth growth(plan, small, grown);
    for (int i = 0; i < 3; ++i) growth.step(loss_of(grown, in), 1e-2);
    const auto made =
        growth.made_of([&](const std::string& path) { return at(const_cast<Model&>(small), path).value; });
    mg::for_each_parameter(grown, [&](const std::string& path, auto& p) {
      if (const auto it = made.find(path); it != made.end())
        CHECK(std::equal(p.value.data(), p.value.data() + p.value.size(), it->second.data()));
    });
    CHECK(made.contains("blocks.0.mlp.fc1.weight"));
    return grown;
  };
  const auto rows = [](Model& model) {  // of a unit and its copy
    const auto& w = at(model, "blocks.0.mlp.fc1.weight").value;
    return std::pair(std::vector(w.data(), w.data() + 24), std::vector(w.data() + 60 * 24, w.data() + 61 * 24));
  };
  const mg::Net2Wider op{.space = "ffn", .to = 120, .map = mg::UnitMap::tiled};
  Model alike = learned(op);
  CHECK(rows(alike).first == rows(alike).second);
  mg::Net2Wider noisy = op;
  noisy.noise_db = 20;
  noisy.seed = 5;
  Model a = learned(noisy), b = learned(noisy);
  noisy.seed = 6;
  Model c = learned(noisy);
  CHECK(rows(a).first != rows(a).second);
  CHECK(rows(a) == rows(b));
  CHECK(rows(a) != rows(c));
}

TEST_CASE("what learned growth cannot begin with is refused", "[ligo]") {
  const Model small = random_model();
  const auto refusal = [&](const auto&... ops) {
    const auto plan = mg::plan(small, mg::allow_approximate, ops...);
    Model grown = small;
    mg::grow(plan, grown);
    return message_of<mg::plan_error>([&] { Growth(plan, small, grown); });
  };
  const mg::Net2Wider wider{.space = "ffn", .to = 80};
  mg::Net2Wider next = wider;
  next.rows = mg::NewRows::next;
  CHECK(says(refusal(next), "units that are copies", "next block"));
  CHECK(
      says(refusal(mg::InsertBlocks{.every = 1, .start = mg::BlockStart::random}), "blocks that are copies", "random"));
  CHECK(says(refusal(), "nothing to learn"));
  const auto plan = mg::plan(small, wider);
  Model same = small, grown = small;
  CHECK(says(message_of<mg::plan_error>([&] { Growth(plan, small, same); }), "mlp.fc1", "grow the model"));
  mg::grow(plan, grown);
  const Model other([] {
    auto config = tiny_config();
    config.depth = 1;
    return config;
  }());
  CHECK(says(message_of<mg::plan_error>([&] { Growth(plan, other, grown); }), "has no 'blocks.1."));
}

TEST_CASE("a loss that is no number ends learned growth", "[ligo]") {
  Inputs<double> in(tiny_config());
  in.x.data()[0] = std::nan("");
  const Model small = random_model();
  Model grown = small;
  const auto plan = mg::plan(small, mg::InsertBlocks{.every = 1});
  mg::grow(plan, grown);
  Growth growth(plan, small, grown);
  CHECK(says(message_of<mg::error>([&] { growth.step(loss_of(grown, in), 1e-3); }), "step 1 of learned growth", "nan"));
}
