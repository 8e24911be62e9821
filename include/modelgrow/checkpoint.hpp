// SPDX-License-Identifier: MIT
// Reading and writing checkpoints.
#pragma once
#include <modelgrow/checkpoint/accelerate_folder.hpp>
#include <modelgrow/checkpoint/averages.hpp>
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/dcp_optimizer.hpp>
#include <modelgrow/checkpoint/dcp_writer.hpp>
#include <modelgrow/checkpoint/deepspeed.hpp>
#include <modelgrow/checkpoint/deepspeed_writer.hpp>
#include <modelgrow/checkpoint/gguf.hpp>
#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/checkpoint/rank_files.hpp>
#include <modelgrow/checkpoint/regroup.hpp>
#include <modelgrow/checkpoint/rewrite.hpp>
#include <modelgrow/checkpoint/safetensors.hpp>
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/checkpoint/torch_rewriter.hpp>
#include <modelgrow/checkpoint/torch_weights.hpp>
#include <modelgrow/checkpoint/torch_writer.hpp>
#include <modelgrow/checkpoint/writer.hpp>
