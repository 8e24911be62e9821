// SPDX-License-Identifier: MIT
// The processes that train one model together: those that mpirun or srun has started, where the programs were built
// with MPI, or this one.
#pragma once
#include <exception>
#include <memory>
#include <string_view>

#include <modelgrow/grow/ranks.hpp>
#include <modelgrow/train/trainer.hpp>

#include "model.hpp"

namespace example {

/// A program has one, made before all else. Only the first rank prints from then on, and the last to end is waited for.
class Together {
 public:
  Together();
  ~Together();
  Together(Together&&) = delete;

  mg::Ranks& ranks() { return *ranks_; }
  /// The trainer works with all ranks from now on.
  void share(mg::Trainer<Model, float, Device>& trainer) const;
  /// Says what has ended this process, and ends all of them. The exit code.
  int fail(std::string_view program, const std::exception& why) const;

 private:
  struct Group;
  std::unique_ptr<Group> group_;
  std::unique_ptr<mg::Ranks> ranks_;
};

}  // namespace example
