// SPDX-License-Identifier: MIT
// Everything that grows checkpoints: open one, plan, write, check. Needs no layers, no backend.
#pragma once
#include <modelgrow/checkpoint.hpp>
#include <modelgrow/families/all.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/operators/optimizer_policy.hpp>
#include <modelgrow/grow/operators/swap_text_encoder.hpp>
#include <modelgrow/grow/plan.hpp>
#include <modelgrow/grow/write.hpp>
