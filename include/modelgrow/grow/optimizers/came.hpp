// SPDX-License-Identifier: MIT
// CAME (Luo et al., 2307.02047): factored second moments, and a first moment of updates, out of which the size of the
// gradient has gone, as out of the factored squares of their residuals.
#pragma once
#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

template <>
inline OptimizerRule optimizer_rule<Optimizer::came>() {
  return {
      .optimizer = Optimizer::came,
      .of = "CAME (came-pytorch)",
      .entries = {{.name = "exp_avg", .moves = Moves::unscaled},
                  {.name = "exp_avg_sq_row",
                   .moves = Moves::as_square,
                   .form = EntryForm::without_last,
                   .of = EntryRanks::matrices},
                  {.name = "exp_avg_sq_col",
                   .moves = Moves::as_square,
                   .form = EntryForm::without_second_last,
                   .of = EntryRanks::matrices},
                  {.name = "exp_avg_res_row",
                   .moves = Moves::unscaled,
                   .form = EntryForm::without_last,
                   .of = EntryRanks::matrices},
                  {.name = "exp_avg_res_col",
                   .moves = Moves::unscaled,
                   .form = EntryForm::without_second_last,
                   .of = EntryRanks::matrices},
                  {.name = "exp_avg_sq", .moves = Moves::as_square, .of = EntryRanks::vectors},
                  {.name = "step",
                   .moves = Moves::counted,
                   .form = EntryForm::number,
                   .presence = StateEntry::Presence::sometimes},
                  {.name = "RMS",
                   .moves = Moves::counted,
                   .form = EntryForm::number,
                   .presence = StateEntry::Presence::sometimes}},
      .reservations = {.uneven_units = "CAME takes means over the whole tensor, in which some units would count more"},
      .newcomer = Newcomer::no_counter,
      .remark = "RMS is computed anew at every step"};
}

}  // namespace modelgrow::inline v0
