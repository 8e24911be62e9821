// SPDX-License-Identifier: MIT
// Models of float on the CPU: their layers, and what walks over their parameters.
#pragma once
#include <modelgrow/autograd/tape.hpp>
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/schema.hpp>
#include <modelgrow/models/text_to_video.hpp>
#include <modelgrow/nn/initialise.hpp>
#include <modelgrow/ops/mse.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INSTANCE(class Tape<float, Cpu>)
MODELGROW_INSTANCE(Var<float, Cpu> mse(Tape<float, Cpu>&, const Var<float, Cpu>&, const Tensor<float, Cpu>&))

MODELGROW_INSTANCE(struct StditBlock<float, Cpu>)
MODELGROW_INSTANCE(struct Stdit<float, Cpu>)
MODELGROW_INSTANCE(void initialise(Stdit<float, Cpu>&, std::uint64_t))
MODELGROW_INSTANCE(Schema schema(const Stdit<float, Cpu>&))
MODELGROW_INSTANCE(Schema schema(const Stdit<float, Meta>&))
MODELGROW_INSTANCE(std::int64_t count_parameters(const Stdit<float, Cpu>&))
MODELGROW_INSTANCE(std::vector<NamedShape> declarations(const Stdit<float, Cpu>&, std::optional<DType>))
MODELGROW_INSTANCE(void write_parameters(CheckpointWriter&, const Stdit<float, Cpu>&, std::optional<DType>))
MODELGROW_INSTANCE(LoadReport load(Stdit<float, Cpu>&, const Checkpoint&, const LoadOptions&))

MODELGROW_INSTANCE(struct ByteEncoder<float, Cpu>)
MODELGROW_INSTANCE(struct TextToVideo<float, Cpu>)
MODELGROW_INSTANCE(void initialise(TextToVideo<float, Cpu>&, std::uint64_t))

}  // namespace modelgrow::inline v0
