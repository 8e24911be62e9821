// SPDX-License-Identifier: MIT
// SGD with momentum (Polyak 1964; Nesterov's as Sutskever et al. 2013): a step is as large as the gradient, so that
// producers, whose gradient is divided among copies, need a larger rate.
#pragma once
#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

template <>
inline OptimizerRule optimizer_rule<Optimizer::sgd>() {
  return {.optimizer = Optimizer::sgd,
          .of = "torch.optim.SGD with momentum",
          .entries = {StateEntry{.name = "momentum_buffer"}},
          .step = StepLike::gradient,
          .decay = DecayKind::coupled,
          .newcomer = Newcomer::no_counter};
}

}  // namespace modelgrow::inline v0
