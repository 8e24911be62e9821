// SPDX-License-Identifier: MIT
// Tensors on the CPU, the tape, operations, layers and models.
#pragma once
#include <modelgrow/autograd/recompute.hpp>
#include <modelgrow/autograd/tape.hpp>
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/instances/models.hpp>
#include <modelgrow/models/byte_encoder.hpp>
#include <modelgrow/models/stdit.hpp>
#include <modelgrow/models/text_to_video.hpp>
#include <modelgrow/nn/initialise.hpp>
#include <modelgrow/ops/first_channels.hpp>
#include <modelgrow/ops/mse.hpp>
