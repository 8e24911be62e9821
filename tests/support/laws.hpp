// SPDX-License-Identifier: MIT
// Models of double on the CPU, in which laws of growth are checked.
#pragma once
#include <modelgrow/autograd/tape.hpp>
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/schema.hpp>
#include <modelgrow/grow/live.hpp>
#include <modelgrow/models/text_to_video.hpp>
#include <modelgrow/nn/initialise.hpp>
#include <modelgrow/ops/mse.hpp>
#include <modelgrow/train/ema.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INSTANCE(class Tape<double, Cpu>)
MODELGROW_INSTANCE(Var<double, Cpu> mse(Tape<double, Cpu>&, const Var<double, Cpu>&, const Tensor<double, Cpu>&))

MODELGROW_INSTANCE(struct StditBlock<double, Cpu>)
MODELGROW_INSTANCE(struct Stdit<double, Cpu>)
MODELGROW_INSTANCE(void initialise(Stdit<double, Cpu>&, std::uint64_t))
MODELGROW_INSTANCE(Schema schema(const Stdit<double, Cpu>&))
MODELGROW_INSTANCE(struct ByteEncoder<double, Cpu>)

MODELGROW_INSTANCE(class AdamW<double, Cpu>)
MODELGROW_INSTANCE(AdamW<double, Cpu>::AdamW(const Stdit<double, Cpu>&, AdamWOptions))
MODELGROW_INSTANCE(double AdamW<double, Cpu>::step(Stdit<double, Cpu>&, double, double, const Followers<double, Cpu>&,
                                                   const WholeModel<Cpu>&))
MODELGROW_INSTANCE(class Ema<double, Cpu>)
MODELGROW_INSTANCE(Report grow(const Plan&, Stdit<double, Cpu>&))
MODELGROW_INSTANCE(Report grow(const Plan&, Stdit<double, Cpu>&, AdamW<double, Cpu>&))
MODELGROW_INSTANCE(Report grow(const Plan&, Stdit<double, Cpu>&, AdamW<double, Cpu>&, Ema<double, Cpu>&))

}  // namespace modelgrow::inline v0
