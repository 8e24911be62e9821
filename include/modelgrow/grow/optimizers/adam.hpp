// SPDX-License-Identifier: MIT
// Adam (Kingma and Ba, 1412.6980) and its relatives: AdamW (1711.05101), NAdam (Dozat 2016), RAdam (1908.03265), each
// with the maximum of AMSGrad (1904.09237) where its package offers it. A step is a first moment over the root of a
// second one: the size of the gradient cancels.
#pragma once
#include <modelgrow/grow/optimizers/rule.hpp>

namespace modelgrow::inline v0 {

template <>
inline OptimizerRule optimizer_rule<Optimizer::adam>() {
  using enum StateEntry::Presence;
  return {.optimizer = Optimizer::adam,
          .of = "torch.optim.Adam",
          .entries = {{.name = "exp_avg"},
                      {.name = "exp_avg_sq", .moves = Moves::as_square},
                      {.name = "max_exp_avg_sq", .moves = Moves::as_square, .presence = sometimes},
                      {.name = "step", .moves = Moves::counted, .form = EntryForm::number}},
          .epsilon = true,
          .decay = DecayKind::coupled};
}

/// As this library trains, and torch.optim.AdamW under our names.
template <>
inline OptimizerRule optimizer_rule<Optimizer::adamw>() {
  OptimizerRule rule = optimizer_rule<Optimizer::adam>();
  rule.optimizer = Optimizer::adamw;
  rule.of = "AdamW of this library; torch.optim.AdamW, whose exp_avg is m and exp_avg_sq v";
  rule.entries[0].name = "m";
  rule.entries[1].name = "v";
  rule.decay = DecayKind::decoupled;
  return rule;
}

template <>
inline OptimizerRule optimizer_rule<Optimizer::nadam>() {
  return {.optimizer = Optimizer::nadam,
          .of = "torch.optim.NAdam",
          .entries = {{.name = "exp_avg"},
                      {.name = "exp_avg_sq", .moves = Moves::as_square},
                      {.name = "mu_product", .moves = Moves::counted, .form = EntryForm::number, .start = 1},
                      {.name = "step", .moves = Moves::counted, .form = EntryForm::number}},
          .epsilon = true,
          .decay = DecayKind::coupled,
          .remark = "with decoupled_weight_decay the decay factor is that of AdamW"};
}

template <>
inline OptimizerRule optimizer_rule<Optimizer::radam>() {
  return {.optimizer = Optimizer::radam,
          .of = "torch.optim.RAdam",
          .entries = {{.name = "exp_avg"},
                      {.name = "exp_avg_sq", .moves = Moves::as_square},
                      {.name = "step", .moves = Moves::counted, .form = EntryForm::number}},
          .epsilon = true,
          .decay = DecayKind::coupled,
          .remark =
              "holds from its sixth step on (beta2 0.99 and more): before, a step is as large as the gradient; "
              "with decoupled_weight_decay the decay factor is that of AdamW"};
}

}  // namespace modelgrow::inline v0
