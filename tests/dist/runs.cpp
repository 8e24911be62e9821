// SPDX-License-Identifier: MIT
// Runs of many ranks go on with any number of ranks, stop together and fail together.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/dist/single.hpp>
#include <modelgrow/train/distributed.hpp>

#include "tests/dist/support/shared_scratch.hpp"
#include "tests/dist/support/small_run.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/same_bits.hpp"

namespace mg = modelgrow;
namespace fs = std::filesystem;
using mg::testing::message_of;
using mg::testing::Model;
using mg::testing::ranks;
using mg::testing::same_bits;
using mg::testing::says;
using mg::testing::SharedScratch;
using mg::testing::some_options;
using mg::testing::train;
using mg::testing::Trainer;
using State = mg::DistributedOptions::State;

namespace {

std::vector<mg::Tensor<float, mg::Cpu>> all_of(const Trainer& trainer, const Model& model) {
  std::vector<mg::Tensor<float, mg::Cpu>> all;
  const auto ema = trainer.whole_ema();
  const auto optimizer = trainer.whole_optimizer();
  mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
    all.push_back(p.value);
    all.push_back(ema->averages().at(path));
    if (const auto s = optimizer.states().find(path); s != optimizer.states().end()) all.push_back(s->second.v);
  });
  return all;
}

}  // namespace

TEST_CASE("a run is saved once and goes on with another number of ranks, bit for bit") {
  const mg::Sums ordered = mg::Sums::ordered;
  for (const State state : {State::whole, State::sharded}) {
    const SharedScratch directory;
    const mg::DistributedOptions together{.state = state, .sums = ordered};
    std::vector<mg::Tensor<float, mg::Cpu>> uninterrupted;
    {
      Model model;
      Trainer trainer(model, some_options(9));
      mg::distribute(trainer, ranks(), together);
      train(trainer, model);
      uninterrupted = all_of(trainer, model);
    }
    {
      Model model;
      Trainer trainer(model, some_options(3, directory / "run"));
      mg::distribute(trainer, ranks(), together);
      train(trainer, model);
      CHECK(trainer.leads() == (ranks().rank() == 0));
    }
    CHECK(directory.entries() == 1);
    {
      Model model;
      mg::Single one;
      Trainer trainer(model, some_options(6, ranks().rank() == 0 ? directory / "alone" : fs::path()));
      mg::distribute(trainer, one, {.sums = ordered});
      trainer.resume(directory / "run");
      CHECK(trainer.step() == 3);
      train(trainer, model);
    }
    ranks().barrier().wait();
    Model model;
    Trainer trainer(model, some_options(9));
    trainer.resume(directory / "alone");
    mg::distribute(trainer, ranks(), together);
    train(trainer, model);
    CHECK(same_bits(all_of(trainer, model), uninterrupted));

    Model again;
    Trainer another(again, some_options(2));
    mg::distribute(another, ranks(), together);
    train(another, again);
    another.start_from(directory / "alone");  // over state that was cut
    another.gather();
    CHECK(another.optimizer().states().at("first.weight1").m.shape() == again.first.weight1.value.shape());
  }
}

TEST_CASE("one rank that is asked to stop stops all of them") {
  Model model;
  auto options = some_options(100);
  std::int64_t asked = 0;
  options.stop = [&] { return ++asked == 4 && ranks().rank() == ranks().size() - 1; };
  Trainer trainer(model, options);
  mg::distribute(trainer, ranks());
  CHECK(trainer.run([&](auto& tape, std::int64_t i) { return tiny::loss(model, tape, i); }) ==
        Trainer::Outcome::stopped);
  CHECK(trainer.step() == 4);
}

TEST_CASE("a loss of one rank that is not a number is an error on all ranks") {
  for (const bool in_gradient : {false, true}) {
    Model model;
    Trainer trainer(model, some_options(5));
    mg::distribute(trainer, ranks(), {.state = State::sharded});
    const std::string message = message_of<mg::error>([&] {
      trainer.run([&](auto& tape, std::int64_t i) {
        auto loss = tiny::loss(model, tape, i);
        if (i != 9) return loss;
        mg::Tensor<float, mg::Cpu> value = loss.value().clone();
        if (!in_gradient) value.data()[0] = NAN;
        return tape.record(std::move(value), {loss}, [&tape, loss](mg::Tensor<float, mg::Cpu> dy) {
          for (float& d : dy.span()) d = NAN;
          tape.accumulate(loss, std::move(dy));
        });
      });
    });
    CHECK(says(message, in_gradient ? "the gradient norm is nan" : "the loss of step 3 is nan"));
    CHECK(trainer.step() == 2);
  }
}

TEST_CASE("models of double are trained together too") {
  using Double = tiny::Pair<double, mg::Cpu>;
  const auto run = [](bool together) {
    Double model;
    mg::Trainer<Double, double, mg::Cpu> trainer(
        model, {.steps = 5, .micro_batches = 3, .schedule = {.peak = 0.01}, .ema = mg::EmaOptions{}});
    if (together) mg::distribute(trainer, ranks(), {.state = State::sharded});
    trainer.run([&](auto& tape, std::int64_t i) { return tiny::loss(model, tape, i); });
    return model;
  };
  const Double alone = run(false), shared = run(true);
  for (int i = 0; i < 60; ++i)
    CHECK_THAT(shared.first.weight1.value.data()[i], WithinAbs(alone.first.weight1.value.data()[i], 1e-13));
}
