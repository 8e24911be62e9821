// SPDX-License-Identifier: MIT
// The header of the device, <modelgrow/backend/cpu.hpp>, is forgotten.
// expect: 'HasBackend<D>' .with D = modelgrow::v0::Cpu
#include <modelgrow/ops/linear.hpp>

using Tape = modelgrow::Tape<float, modelgrow::Cpu>;
auto use(Tape& tape, modelgrow::Var<float, modelgrow::Cpu> x) { return modelgrow::linear(tape, x, x, x); }
