// SPDX-License-Identifier: MIT
// RMSprop (Tieleman and Hinton 2012; centred: Graves, 1308.0850): the gradient over the root of the mean of its
// squares. Its momentum is a sum of steps, out of which the size of the gradient has gone.
#pragma once
#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

template <>
inline OptimizerRule optimizer_rule<Optimizer::rmsprop>() {
  using enum StateEntry::Presence;
  return {.optimizer = Optimizer::rmsprop,
          .of = "torch.optim.RMSprop",
          .entries = {{.name = "square_avg", .moves = Moves::as_square},
                      {.name = "grad_avg", .presence = sometimes},
                      {.name = "momentum_buffer", .moves = Moves::unscaled, .presence = sometimes},
                      {.name = "step", .moves = Moves::counted, .form = EntryForm::number}},
          .epsilon = true,
          .decay = DecayKind::coupled,
          .newcomer = Newcomer::no_counter};
}

}  // namespace modelgrow::inline v0
