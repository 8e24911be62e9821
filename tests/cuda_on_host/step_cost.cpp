// SPDX-License-Identifier: MIT
// What a training step of STDiT-XL/2 asks of a GPU (16 frames of 512 x 512 pixels, batch 1, bf16, activations computed
// again), against docs/kernels/step_cost.csv, which may only fall.
#include <modelgrow/models/stdit.hpp>
#include <modelgrow/ops/mse.hpp>
#include <modelgrow/train/trainer.hpp>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "tests/cuda_on_host/support/counted.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;

namespace {

const std::string table_path = MODELGROW_SOURCE_DIR "/docs/kernels/step_cost.csv";

/// The log of the second step: the first one also makes what later ones use again.
Counted::Log step_cost(const std::optional<EmaOptions>& ema = {}, Activations activations = Activations::recompute) {
  Stdit<bf16, Counted> model(StditConfig{.input_size = {16, 64, 64}, .pred_sigma = false});
  model.activations = activations;
  const Tensor<bf16, Counted> states({1, 120, 4096}), clip({1, 4, 16, 64, 64});
  const Tensor<float, Counted> time({1});
  Counted::Log log;
  Trainer<Stdit<bf16, Counted>, bf16, Counted> trainer(
      model, TrainerOptions{.steps = 2, .schedule = {.peak = 1e-4}, .adamw = {.clip_norm = 1.0}, .ema = ema});
  trainer.at(1, [&](const StepReport&) { Counted::log() = {}; });
  trainer.at(2, [&](const StepReport&) { log = Counted::log(); });
  trainer.run([&](auto& tape, std::int64_t) {
    const TextStates<bf16, Counted> text{tape.constant(states), {}, {}};
    return mse(tape, model.forward(tape, tape.constant(clip), time, text), clip);
  });
  return log;
}

struct Total {
  std::int64_t launches = 0, waits = 0, allocations = 0;
  double bytes = 0;
};
Total total_of(const Counted::Log& log) {
  Total t{.waits = log.waits, .allocations = log.allocations};
  for (const auto& [name, cost] : log.kernels) {
    t.launches += cost.launches;
    t.bytes += cost.bytes;
  }
  return t;
}

std::string table_of(const Counted::Log& log) {
  std::string text = "kernel,launches,GB\n";
  const auto row = [&](const std::string& name, std::int64_t launches, double bytes) {
    char line[200];
    std::snprintf(line, sizeof line, "\"%s\",%lld,%.3f\n", name.c_str(), static_cast<long long>(launches), bytes / 1e9);
    text += line;
  };
  for (const auto& [name, cost] : log.kernels) row(name, cost.launches, cost.bytes);
  const Total t = total_of(log);
  row("all", t.launches, t.bytes);
  text += "waits of the host," + std::to_string(t.waits) + ",\nallocations of the device," +
          std::to_string(t.allocations) + ",\n";
  return text;
}

std::string committed() {
  std::ifstream file(table_path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("a step of STDiT-XL/2 asks of a GPU what the committed table says") {
  INFO("if it asks for less: bin/test_cuda_on_host '[.write_step_cost]', and commit docs/kernels/step_cost.csv");
  CHECK(table_of(step_cost()) == committed());
}

TEST_CASE("a step waits for the GPU twice, for the loss and for the norm of the gradient, and allocates nothing") {
  const Total t = total_of(step_cost());
  CHECK(t.waits == 2);
  CHECK(t.allocations == 0);
}

TEST_CASE("a step launches at most 1,900 kernels, and 1,500 when activations are kept") {
  CHECK(total_of(step_cost()).launches <= 1900);
  CHECK(total_of(step_cost({}, Activations::keep)).launches <= 1500);
}

TEST_CASE("averages of the weights cost a step no launch and no wait more") {
  const Total with = total_of(step_cost(EmaOptions{})), without = total_of(step_cost());
  CHECK(with.launches == without.launches);
  CHECK(with.waits == without.waits);
  CHECK(with.allocations == 0);
  CHECK_THAT((with.bytes - without.bytes) / 1e9, WithinRel(8 * 0.7596, 1e-3));  // each in float, read and written
}

TEST_CASE("write the table of a step's cost", "[.write_step_cost]") {
  std::ofstream(table_path) << table_of(step_cost());
}

TEST_CASE(
    "a step given out as one waits as often, allocates nothing and launches what looks for losses that are none") {
  const auto cost = [](bool graph) {
    Stdit<bf16, Counted> model(StditConfig{.input_size = {16, 64, 64}, .depth = 2, .pred_sigma = false});
    const Tensor<bf16, Counted> states({1, 120, 4096}), clip({1, 4, 16, 64, 64});
    const Tensor<float, Counted> time({1});
    Counted::Log log;
    Trainer<Stdit<bf16, Counted>, bf16, Counted> trainer(
        model, TrainerOptions{.steps = 3, .schedule = {.peak = 1e-4}, .ema = EmaOptions{}, .graph = graph});
    trainer.at(2, [&](const StepReport&) { Counted::log() = {}; });
    trainer.at(3, [&](const StepReport&) { log = Counted::log(); });
    trainer.run([&](auto& tape, std::int64_t) {
      const TextStates<bf16, Counted> text{tape.constant(states), {}, {}};
      return mse(tape, model.forward(tape, tape.constant(clip), time, text), clip);
    });
    return total_of(log);
  };
  const Total graph = cost(true), pieces = cost(false);
  CHECK(graph.waits == 2);
  CHECK(graph.allocations == 0);
  CHECK(graph.launches == pieces.launches + 7);
}
