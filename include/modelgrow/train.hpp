// SPDX-License-Identifier: MIT
// Noise, samplers, optimizer, averages and the trainer.
#pragma once
#include <modelgrow/diffusion/flow_matching.hpp>
#include <modelgrow/diffusion/guidance.hpp>
#include <modelgrow/diffusion/samplers.hpp>
#include <modelgrow/grow/live.hpp>
#include <modelgrow/instances/train.hpp>
#include <modelgrow/train/adamw.hpp>
#include <modelgrow/train/distributed.hpp>
#include <modelgrow/train/ema.hpp>
#include <modelgrow/train/flops.hpp>
#include <modelgrow/train/learned_growth.hpp>
#include <modelgrow/train/logit_anneal.hpp>
#include <modelgrow/train/lora.hpp>
#include <modelgrow/train/mask_anneal.hpp>
#include <modelgrow/train/schedule.hpp>
#include <modelgrow/train/seeds.hpp>
#include <modelgrow/train/trainer.hpp>
