// SPDX-License-Identifier: MIT
// What trains and grows models of float on the CPU.
#pragma once
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/diffusion/noise.hpp>
#include <modelgrow/grow/live.hpp>
#include <modelgrow/models/text_to_video.hpp>
#include <modelgrow/train/parts.hpp>
#include <modelgrow/train/trainer.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INSTANCE(Tensor<float, Cpu> gaussian_noise(const Shape&, const Rng&, std::uint64_t))

MODELGROW_INSTANCE(class AdamW<float, Cpu>)
MODELGROW_INSTANCE(AdamW<float, Cpu>::AdamW(const Stdit<float, Cpu>&, AdamWOptions))
MODELGROW_INSTANCE(double AdamW<float, Cpu>::step(Stdit<float, Cpu>&, double, double, const Followers<float, Cpu>&,
                                                  const WholeModel<Cpu>&))
MODELGROW_INSTANCE(AdamW<float, Cpu>::AdamW(const TextToVideo<float, Cpu>&, AdamWOptions))
MODELGROW_INSTANCE(double AdamW<float, Cpu>::step(TextToVideo<float, Cpu>&, double, double,
                                                  const Followers<float, Cpu>&, const WholeModel<Cpu>&))

MODELGROW_INSTANCE(double AdamW<float, Cpu>::step(Parts<float, Cpu>&, double, double, const Followers<float, Cpu>&,
                                                  const WholeModel<Cpu>&))

MODELGROW_INSTANCE(class Ema<float, Cpu>)
MODELGROW_INSTANCE(Ema<float, Cpu>::Ema(const Stdit<float, Cpu>&, const AdamW<float, Cpu>&, EmaOptions))
MODELGROW_INSTANCE(void Ema<float, Cpu>::update(const Stdit<float, Cpu>&, const AdamW<float, Cpu>&))
MODELGROW_INSTANCE(double Ema<float, Cpu>::step(Stdit<float, Cpu>&, AdamW<float, Cpu>&, double, double,
                                                const WholeModel<Cpu>&))
MODELGROW_INSTANCE(Ema<float, Cpu>::Ema(const TextToVideo<float, Cpu>&, const AdamW<float, Cpu>&, EmaOptions))
MODELGROW_INSTANCE(void Ema<float, Cpu>::update(const TextToVideo<float, Cpu>&, const AdamW<float, Cpu>&))
MODELGROW_INSTANCE(double Ema<float, Cpu>::step(TextToVideo<float, Cpu>&, AdamW<float, Cpu>&, double, double,
                                                const WholeModel<Cpu>&))

MODELGROW_INSTANCE(double Ema<float, Cpu>::step(Parts<float, Cpu>&, AdamW<float, Cpu>&, double, double,
                                                const WholeModel<Cpu>&))

MODELGROW_INSTANCE(class Trainer<Stdit<float, Cpu>, float, Cpu>)
MODELGROW_INSTANCE(class Trainer<TextToVideo<float, Cpu>, float, Cpu>)

MODELGROW_INSTANCE(Report grow(const Plan&, Stdit<float, Cpu>&))
MODELGROW_INSTANCE(Report grow(const Plan&, Stdit<float, Cpu>&, AdamW<float, Cpu>&))
MODELGROW_INSTANCE(Report grow(const Plan&, Stdit<float, Cpu>&, AdamW<float, Cpu>&, Ema<float, Cpu>&))

}  // namespace modelgrow::inline v0
