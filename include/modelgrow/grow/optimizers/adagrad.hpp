// SPDX-License-Identifier: MIT
// Adagrad (Duchi et al. 2011): the gradient over the root of the sum of its squares.
#pragma once
#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

template <>
inline OptimizerRule optimizer_rule<Optimizer::adagrad>() {
  return {.optimizer = Optimizer::adagrad,
          .of = "torch.optim.Adagrad",
          .entries = {{.name = "sum", .moves = Moves::as_square},
                      {.name = "step", .moves = Moves::counted, .form = EntryForm::number}},
          .epsilon = true,
          .decay = DecayKind::coupled,
          .remark = "sums of new parameters start at 0, not at initial_accumulator_value"};
}

}  // namespace modelgrow::inline v0
