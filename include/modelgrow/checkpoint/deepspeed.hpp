// SPDX-License-Identifier: MIT
// Folders of DeepSpeed: the float32 weights and the moments of ZeRO lie flat in a file for each rank. Stages 1 and 2
// cut each group of parameters into equal pieces, stage 3 each tensor; pipelines keep a file for each layer beside
// them; the universal form has a folder for each parameter.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/checkpoint/joined_tensor.hpp>
#include <modelgrow/checkpoint/stored_optimizer.hpp>

namespace modelgrow::inline v0 {

struct DeepSpeedState {
  int stage = 0;          ///< of ZeRO; 0: the file says nothing (pipelines)
  std::size_t ranks = 0;  ///< that hold a part of the optimizer; 0: universal
  /// Trained parameters in float32, then frozen ones and buffers as they are stored.
  std::vector<JoinedTensor> weights = {};
  StoredOptimizer optimizer = {};
  /// Second names of tensors, and the first.
  std::vector<std::pair<std::string, std::string>> tied = {};
};

/// Reads a run's folder (its `latest` says which step), the folder of one step, or the universal form of one. Throws
/// io_error where the file of a rank or parameter is missing, and format_error: ranks of different steps or settings,
/// pieces that are no whole parameter, several tensor-parallel parts.
DeepSpeedState read_deepspeed(const std::filesystem::path& path);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/deepspeed_inl.hpp>
#endif
