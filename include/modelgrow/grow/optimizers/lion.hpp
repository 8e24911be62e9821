// SPDX-License-Identifier: MIT
// Lion (Chen et al., 2302.06675): the sign of a first moment.
#pragma once
#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

template <>
inline OptimizerRule optimizer_rule<Optimizer::lion>() {
  return {.optimizer = Optimizer::lion,
          .of = "Lion (lion-pytorch)",
          .entries = {StateEntry{.name = "exp_avg"}},
          .newcomer = Newcomer::no_counter};
}

}  // namespace modelgrow::inline v0
