// SPDX-License-Identifier: MIT
// Adadelta (Zeiler, 1212.5701): a step is the root of the mean of squared steps over that of squared gradients.
#pragma once
#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

template <>
inline OptimizerRule optimizer_rule<Optimizer::adadelta>() {
  return {.optimizer = Optimizer::adadelta,
          .of = "torch.optim.Adadelta",
          .entries = {{.name = "square_avg", .moves = Moves::as_square},
                      {.name = "acc_delta", .moves = Moves::unscaled},
                      {.name = "step", .moves = Moves::counted, .form = EntryForm::number}},
          .decay = DecayKind::coupled,
          .reservations = {.wider = "Adadelta adds one epsilon to squared gradients and to squared steps, and only the "
                                    "first become smaller"},
          .newcomer = Newcomer::no_counter};
}

}  // namespace modelgrow::inline v0
