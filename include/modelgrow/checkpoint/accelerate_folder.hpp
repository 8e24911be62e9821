// SPDX-License-Identifier: MIT
// A folder that accelerate's save_state writes: models, optimizers and schedulers, of which the first carry no number,
// random states of each process, and registered objects, which all carry one.
#pragma once
#include <filesystem>
#include <vector>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/torch_optimizer.hpp>

namespace modelgrow::inline v0 {

class AccelerateFolder {
 public:
  /// An optimizer, and the number of the model that it trains.
  struct Trained {
    StoredOptimizer state;
    std::size_t model = 0;
  };

  /// Throws io_error and format_error: no model, no optimizer, a number left out.
  static AccelerateFolder open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::vector<std::filesystem::path>& models() const { return models_; }
  const std::vector<std::filesystem::path>& optimizers() const { return optimizers_; }
  const std::vector<std::filesystem::path>& schedulers() const { return schedulers_; }
  const std::vector<std::filesystem::path>& random_states() const { return random_states_; }
  /// Objects that the trainer registered, averages among them.
  const std::vector<std::filesystem::path>& registered() const { return registered_; }

  /// The optimizers with the models that they train: each its own, or all of them the only one. `orders` has for each
  /// model its trained parameters in torch's order; without, states that have no names stay so. Throws format_error
  /// that names the file: shapes that the model does not have, parameters of two optimizers that overlap, numbers of
  /// models and optimizers that match no split.
  std::vector<Trained> trained(const std::vector<std::vector<NamedShape>>& orders = {}) const;

 private:
  std::filesystem::path path_;
  std::vector<std::filesystem::path> models_, optimizers_, schedulers_, random_states_, registered_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/accelerate_folder_inl.hpp>
#endif
