// SPDX-License-Identifier: MIT
// Segments trained on the CPU.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/instances/models.hpp>
#include <modelgrow/instances/train.hpp>

#include "run.hpp"

namespace growth {

Outcome train_on_cpu(const Cache& cache, const std::string& key, const std::function<bool()>& stop) {
  return train_segment<mg::Cpu>(cache, key, stop);
}

}  // namespace growth
