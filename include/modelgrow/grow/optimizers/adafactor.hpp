// SPDX-License-Identifier: MIT
// Adafactor (Shazeer and Stern, 1804.04235) as torch has it: second moments of the last two axes as means over either,
// and a step that is a share of the root mean square of the weights. The copies of a consumer are smaller weights, so
// that their steps are smaller by themselves.
#pragma once
#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

template <>
inline OptimizerRule optimizer_rule<Optimizer::adafactor>() {
  return {.optimizer = Optimizer::adafactor,
          .of = "torch.optim.Adafactor",
          .entries = {{.name = "row_var",
                       .moves = Moves::as_square,
                       .form = EntryForm::last_is_one,
                       .of = EntryRanks::matrices},
                      {.name = "col_var",
                       .moves = Moves::as_square,
                       .form = EntryForm::second_last_is_one,
                       .of = EntryRanks::matrices},
                      {.name = "variance", .moves = Moves::as_square, .of = EntryRanks::vectors},
                      {.name = "step", .moves = Moves::counted, .form = EntryForm::number}},
          .step = StepLike::weights,
          .reservations = {
              .condition = "the root mean square of every tensor stays above the second epsilon of "
                           "Adafactor, and the mean squared gradient of every matrix above the first",
              .uneven_units = "Adafactor takes means over the whole tensor, in which some units would count more",
              .uneven_shares = "the steps of Adafactor are as large as the weights of a tensor are in the mean"}};
}

}  // namespace modelgrow::inline v0
