// SPDX-License-Identifier: MIT
// Reading and writing checkpoints.
#pragma once
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/gguf.hpp>
#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/checkpoint/safetensors.hpp>
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/checkpoint/torch_weights.hpp>
#include <modelgrow/checkpoint/torch_writer.hpp>
#include <modelgrow/checkpoint/writer.hpp>
