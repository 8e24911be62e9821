// SPDX-License-Identifier: MIT
// The run that tests of saving and resuming train, on any number of ranks.
#pragma once
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/train/trainer.hpp>

#include "tests/train/tiny_model.hpp"

namespace modelgrow::testing {

using Model = tiny::Pair<float, Cpu>;
using Trainer = modelgrow::Trainer<Model, float, Cpu>;

/// Four micro-batches a step, with clipping and averages.
inline TrainerOptions some_options(std::int64_t steps, const std::filesystem::path& directory = {}) {
  return {.steps = steps,
          .micro_batches = 4,
          .schedule = {.peak = 0.01},
          .adamw = {.clip_norm = 1.0},
          .ema = EmaOptions{},
          .seed = 3,
          .directory = directory};
}
inline void train(Trainer& trainer, Model& model) {
  trainer.run([&](auto& tape, std::int64_t i) { return tiny::loss(model, tape, i); });
}

}  // namespace modelgrow::testing
