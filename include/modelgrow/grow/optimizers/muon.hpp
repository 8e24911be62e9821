// SPDX-License-Identifier: MIT
// Muon (Jordan et al. 2024; rates of Liu et al., 2502.16982) as torch has it: the momentum of a matrix made orthogonal
// by Newton-Schulz. K copies of rows or columns leave its directions as they are and make its elements 1/sqrt(K) as
// large. Everything that is no matrix has another optimizer.
#pragma once
#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

template <>
inline OptimizerRule optimizer_rule<Optimizer::muon>() {
  return {.optimizer = Optimizer::muon,
          .of = "torch.optim.Muon, adjust_lr_fn \"original\"",
          .entries = {StateEntry{.name = "momentum_buffer", .of = EntryRanks::matrices}},
          .step = StepLike::orthogonal,
          .reservations = {.wider = "Muon makes matrices orthogonal in bf16, whose rounding depends on their size",
                           .uneven_units = "units with more copies would count more in an orthogonal matrix",
                           .uneven_shares = "copies with a larger share of a gradient get a larger share of the step"},
          .newcomer = Newcomer::no_counter};
}

template <>
inline OptimizerRule optimizer_rule<Optimizer::muon_rms>() {
  OptimizerRule rule = optimizer_rule<Optimizer::muon>();
  rule.optimizer = Optimizer::muon_rms;
  rule.of = "torch.optim.Muon, adjust_lr_fn \"match_rms_adamw\"";
  rule.step = StepLike::orthogonal_rms;
  return rule;
}

}  // namespace modelgrow::inline v0
