// SPDX-License-Identifier: MIT
// Everything that grows checkpoints: open one, plan, write, check. Needs no backend.
#pragma once
#include <modelgrow/checkpoint.hpp>
#include <modelgrow/grow/operators/graft_text_encoder.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/operators/swap_text_encoder.hpp>
#include <modelgrow/grow/operators/zero_init_layer.hpp>
#include <modelgrow/grow/plan.hpp>
#include <modelgrow/grow/write.hpp>
#include <modelgrow/models/families.hpp>
