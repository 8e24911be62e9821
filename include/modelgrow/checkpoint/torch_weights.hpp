// SPDX-License-Identifier: MIT
// Which dictionary of a saved file holds the weights: trainers put them beside optimizers, averages and counters, under
// names of their own. Where two could be meant, nobody guesses.
#pragma once
#include <string>
#include <vector>

#include <modelgrow/checkpoint/torch_file.hpp>

namespace modelgrow::inline v0 {

/// Named tensors of one dictionary.
struct TorchWeights {
  std::string at = {};  ///< keys that lead to it: "", "ema", "model/module"
  std::vector<std::pair<std::string, PickleTensor>> tensors = {};
  std::vector<std::string> others = {};  ///< keys of what was saved beside, on the way and among the tensors
};

/// The state dictionary of what torch.save wrote: what was saved itself, or what stands under state_dict, model,
/// module, ema or model_state_dict, or under the only key that leads to named tensors. `choice` names the keys to
/// follow, as "ema" or "model/module". Throws format_error that begins with `source`: no such dictionary, several (with
/// the choices), or a tensor that is only a part of one, or has no numbers.
TorchWeights find_torch_weights(const PickleValue& root, const std::string& choice, const std::string& source);

namespace detail {
struct OpenedTorchWeights {
  MappedTensors file;
  std::string at;                   // keys that led to it
  std::vector<std::string> beside;  // TorchWeights::others
};
/// The state dictionary of a torch file as a file of tensors. Throws io_error, format_error.
OpenedTorchWeights open_torch_weights(const std::filesystem::path& path, const std::string& choice);
}  // namespace detail

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/torch_weights_inl.hpp>
#endif
