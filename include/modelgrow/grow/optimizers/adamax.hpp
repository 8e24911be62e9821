// SPDX-License-Identifier: MIT
// Adamax (Kingma and Ba, 1412.6980, section 7): the second moment is a maximum, as large as the gradient itself.
#pragma once
#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

template <>
inline OptimizerRule optimizer_rule<Optimizer::adamax>() {
  return {.optimizer = Optimizer::adamax,
          .of = "torch.optim.Adamax",
          .entries = {{.name = "exp_avg"},
                      {.name = "exp_inf"},
                      {.name = "step", .moves = Moves::counted, .form = EntryForm::number}},
          .epsilon = true,
          .decay = DecayKind::coupled};
}

}  // namespace modelgrow::inline v0
