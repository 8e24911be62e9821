// SPDX-License-Identifier: MIT
// The model that the examples train, and the device that they train on.
#pragma once
#include <modelgrow/autograd/tape.hpp>
#include <modelgrow/models/text_to_video.hpp>

namespace example {
namespace mg = modelgrow;

using Device = mg::Cpu;
using Model = mg::TextToVideo<float, Device>;
using Tape = mg::Tape<float, Device>;

}  // namespace example
