// SPDX-License-Identifier: MIT
// A trainer whose steps are graphs leaves the bits of one that gives its work out piece by piece, waits twice a step,
// and keeps the promise that a step that cannot be made changes nothing.
#include <modelgrow/backend/cuda/graph.cuh>
#include <modelgrow/dist/single.hpp>
#include <modelgrow/train/distributed.hpp>

#include "tests/nccl_on_host/support/backend.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/same_bits.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
using cuda_double::broken_rules;
using cuda_double::graph_objects;
using mg::testing::message_of;
using mg::testing::same_bits;
using mg::testing::says;

namespace {

template <class T>
using Model = tiny::Pair<T, mg::Cuda>;
template <class T>
using Trainer = mg::Trainer<Model<T>, T, mg::Cuda>;

mg::TrainerOptions options_of(bool graph) {
  return {.steps = 5,
          .micro_batches = 2,
          .schedule = {.kind = mg::Schedule::Kind::cosine, .peak = 1e-2, .warmup = 2, .total = 5},
          .adamw = {.clip_norm = 1.0},
          .ema = mg::EmaOptions{},
          .graph = graph};
}

/// Losses, norms, weights and averages.
template <class T>
struct Run {
  std::vector<double> losses, norms;
  std::vector<mg::Tensor<T, mg::Cpu>> weights;
  std::vector<mg::Tensor<mg::Stat<T>, mg::Cpu>> averages;
};
template <class T>
Run<T> state_of(Model<T>& model, Trainer<T>& trainer) {
  Run<T> r;
  mg::for_each_parameter(model, [&](const std::string&, const auto& p) { r.weights.push_back(mg::to_cpu(p.value)); });
  if (trainer.ema())
    for (const auto& [path, average] : trainer.ema()->averages()) r.averages.push_back(mg::to_cpu(average));
  return r;
}
template <class T, class Loss>
Run<T> run(const mg::TrainerOptions& options, Loss loss) {
  Model<T> model;
  Trainer<T> trainer(model, options);
  std::vector<double> losses, norms;
  trainer.every(1, [&](const mg::StepReport& report) {
    losses.push_back(report.loss);
    norms.push_back(report.gradient_norm);
  });
  trainer.run([&](auto& tape, std::int64_t i) { return loss(model, tape, i); });
  Run<T> r = state_of(model, trainer);
  r.losses = losses, r.norms = norms;
  return r;
}
template <class T>
void check_same(const Run<T>& a, const Run<T>& b) {
  CHECK(a.losses == b.losses);
  CHECK(a.norms == b.norms);
  CHECK(same_bits(a.weights, b.weights));
  CHECK(same_bits(a.averages, b.averages));
}
const auto plain = [](auto& model, auto& tape, std::int64_t i) { return tiny::loss(model, tape, i); };

}  // namespace

TEMPLATE_TEST_CASE("steps as graphs have the bits of steps piece by piece", "", float, mg::bf16) {
  const auto before = graph_objects();
  const Run<TestType> graph = run<TestType>(options_of(true), plain), pieces = run<TestType>(options_of(false), plain);
  REQUIRE(graph.losses.size() == 5);
  check_same(graph, pieces);
  CHECK(graph_objects().graphs == before.graphs);
  CHECK(graph_objects().executables == before.executables);

  mg::TrainerOptions bare = options_of(true);
  bare.ema = {}, bare.micro_batches = 1;
  const Run<TestType> alone = run<TestType>(bare, plain);
  bare.graph = false;
  check_same(alone, run<TestType>(bare, plain));
  CHECK(broken_rules().empty());
}

TEMPLATE_TEST_CASE("a step of another shape, or with a parameter that had no gradient, is a graph too", "", float,
                   mg::bf16) {
  const auto changing = [](auto& model, auto& tape, std::int64_t i) {
    using D = mg::Cuda;
    const std::int64_t rows = i >= 6 ? 4 : 8;
    const auto x = mg::gaussian_noise<TestType, D>(mg::Shape{rows, 6}, mg::Rng(7), std::uint64_t(i) * 48);
    auto y = model.first(tape, tape.constant(x));
    if (i >= 4) y = model.second(tape, y);
    return mse(tape, y, x);
  };
  check_same(run<TestType>(options_of(true), changing), run<TestType>(options_of(false), changing));
  CHECK(broken_rules().empty());
}

namespace {

/// What a run of float says that ends at step 4, with the model as it was behind step 3; `spoilt` makes another loss of
/// that of its last micro-batch.
template <class Spoilt>
std::string error_of_step_4(bool graph, Spoilt spoilt) {
  Model<float> model;
  Trainer<float> trainer(model, options_of(graph));
  Run<float> before;
  trainer.at(3, [&](const auto&) { before = state_of(model, trainer); });
  const std::string said = message_of<mg::error>([&] {
    trainer.run(
        [&](auto& tape, std::int64_t i) { return i == 7 ? spoilt(model, tape, i) : tiny::loss(model, tape, i); });
  });
  CHECK(trainer.step() == 3);
  check_same(before, state_of(model, trainer));
  return said;
}

}  // namespace

TEST_CASE("a loss or a gradient that is not finite stops the run with the model as it was") {
  // The second kind of loss overflows where its gradient does not.
  for (const float far : {std::numeric_limits<float>::infinity(), 1e20f})
    for (const bool graph : {false, true}) {
      const std::string said = error_of_step_4(graph, [&](auto& model, auto& tape, std::int64_t) {
        const auto x = mg::to_device<mg::Cuda>(mg::Tensor<float, mg::Cpu>::zeros({1, 6}));
        mg::Tensor<float, mg::Cpu> target({1, 6});
        for (float& v : target.span()) v = far;
        return mse(tape, model(tape, tape.constant(x)), mg::to_device<mg::Cuda>(target));
      });
      CHECK(says(said, "the loss of step 4 is inf"));
    }
  CHECK(broken_rules().empty());
}

TEST_CASE("a gradient that is not finite behind a loss that is stops the run with the model as it was") {
  for (const bool graph : {false, true}) {
    const std::string said = error_of_step_4(graph, [&](auto& model, auto& tape, std::int64_t i) {
      const auto l = tiny::loss(model, tape, i);
      return tape.record(l.value(), {l}, [l, &tape](mg::Tensor<float, mg::Cuda> dy) {
        mg::Backend<mg::Cuda>::fill(1, std::numeric_limits<float>::infinity(), dy.data());
        tape.accumulate(l, std::move(dy));
      });
    });
    CHECK(says(said, "the gradient norm is", "first in 'first.weight1'", "the model is unchanged"));
  }
  CHECK(broken_rules().empty());
}

TEST_CASE("a loss that throws or reads from the device ends the step, and training can go on") {
  Model<float> model;
  Trainer<float> trainer(model, options_of(true));
  bool reads = false, throws = false;
  trainer.at(2, [&](const auto&) { reads = true; });
  const auto loss = [&](auto& tape, std::int64_t i) {
    const auto l = i < 4 ? mse(tape, model.first(tape, tape.constant(mg::Tensor<float, mg::Cuda>::zeros({2, 6}))),
                               mg::Tensor<float, mg::Cuda>::zeros({2, 6}))
                         : tiny::loss(model, tape, i);
    if (std::exchange(reads, false)) mg::to_cpu(l.value());
    if (std::exchange(throws, false)) throw mg::error("no more data");
    return l;
  };
  CHECK(says(message_of<mg::device_error>([&] { trainer.run(loss); }), "waits for work that is being recorded"));
  CHECK_FALSE(model.second.weight1.gradient.defined());  // made by what was dropped
  throws = true;
  CHECK(message_of<mg::error>([&] { trainer.run(loss); }) == "no more data");
  CHECK(trainer.step() == 2);
  CHECK(trainer.run(loss) == Trainer<float>::Outcome::finished);
  CHECK(broken_rules().empty());

  Model<float> other;
  auto options = options_of(false);
  Trainer<float> pieces(other, options);
  pieces.run([&](auto& tape, std::int64_t i) {
    return i < 4 ? mse(tape, other.first(tape, tape.constant(mg::Tensor<float, mg::Cuda>::zeros({2, 6}))),
                       mg::Tensor<float, mg::Cuda>::zeros({2, 6}))
                 : tiny::loss(other, tape, i);
  });
  check_same(state_of(model, trainer), state_of(other, pieces));
}

TEST_CASE("a trainer whose steps are graphs does not join other ranks") {
  Model<float> model;
  Trainer<float> trainer(model, options_of(true));
  mg::Single one;
  CHECK(says(message_of<mg::error>([&] { mg::distribute(trainer, one); }), "TrainerOptions::graph", "joins other ranks",
             "without graphs"));
}
