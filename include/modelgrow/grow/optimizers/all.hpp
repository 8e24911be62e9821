// SPDX-License-Identifier: MIT
// The rules of all optimizers whose state can be moved. Another one is a file here and a word in
// checkpoint/optimizer_names.hpp.
#pragma once
#include <utility>

#include <modelgrow/grow/optimizers/adadelta.hpp>
#include <modelgrow/grow/optimizers/adafactor.hpp>
#include <modelgrow/grow/optimizers/adagrad.hpp>
#include <modelgrow/grow/optimizers/adam.hpp>
#include <modelgrow/grow/optimizers/adamax.hpp>
#include <modelgrow/grow/optimizers/came.hpp>
#include <modelgrow/grow/optimizers/lion.hpp>
#include <modelgrow/grow/optimizers/muon.hpp>
#include <modelgrow/grow/optimizers/prodigy.hpp>
#include <modelgrow/grow/optimizers/rmsprop.hpp>
#include <modelgrow/grow/optimizers/schedule_free.hpp>
#include <modelgrow/grow/optimizers/sgd.hpp>

namespace modelgrow::inline v0 {

/// By the order of Optimizer.
inline const std::vector<OptimizerRule>& optimizer_rules() {
  static const auto all = []<std::size_t... I>(std::index_sequence<I...>) {
    return std::vector<OptimizerRule>{optimizer_rule<static_cast<Optimizer>(I)>()...};
  }
  (std::make_index_sequence<words_of(Optimizer{}).size()>());
  return all;
}
inline const OptimizerRule& rule_of(Optimizer o) { return optimizer_rules()[static_cast<std::size_t>(o)]; }

}  // namespace modelgrow::inline v0
