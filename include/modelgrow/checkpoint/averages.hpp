// SPDX-License-Identifier: MIT
// Averages of weights as trainers keep them: a folder of diffusers' EMAModel, whose config.json has settings of the
// average beside those of the model; files of torch with a list of tensors in the order of the parameters, or with
// names.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/joined_tensor.hpp>
#include <modelgrow/checkpoint/pickle_value.hpp>

namespace modelgrow::inline v0 {

struct Averages {
  std::vector<JoinedTensor> tensors = {};  ///< under the names of the weights
  PickleDict settings = {};                ///< numbers beside them: decay, optimization_step ..
};

struct AveragesOptions {
  std::string at = {};  ///< keys that lead to them in a file of torch; empty: the only ones
  /// The parameters of the model in torch's order, which is asked for where the file has a list.
  std::vector<NamedShape> order = {};
};

/// Throws io_error and format_error: no averages, several, a list without an order or with another number of tensors or
/// shapes.
Averages read_averages(const std::filesystem::path& path, const AveragesOptions& options = {});

/// Whether a config.json has what EMAModel.save_pretrained adds to it.
bool is_average_config(const std::string& config);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/averages_inl.hpp>
#endif
