// SPDX-License-Identifier: MIT
// What lies beside the weights belongs to them, all of it: averages or optimizer state that cover only a part would
// grow into a run that goes on from two different models.
#pragma once
#include <modelgrow/grow/outputs.hpp>

namespace modelgrow::inline v0 {

/// Throws format_error for moments of which only one is there, and for state that belongs to no parameter. Parameters
/// without any state are frozen ones.
inline void check_optimizer_complete(const Plan& plan, const TensorSet& optimizer) {
  std::size_t known = 0;
  for (const auto& p : plan.source().parameters) {
    const bool m = optimizer.find(optimizer_name(OptimizerKind::m, p.name));
    const bool v = optimizer.find(optimizer_name(OptimizerKind::v, p.name));
    known += m || v;
    if (m != v)
      throw format_error(
          optimizer.where() + ": parameter '" + p.name + "' has a " + (m ? "first" : "second") + " moment and no " +
          (m ? "second" : "first") +
          " one: the state is of another optimizer or cut short; take the file away to begin with new moments");
  }
  const ParameterIndex parameters(plan.source());
  for (const auto& t : optimizer.tensors())
    if (const auto name = parse_optimizer_name(t.name); name && !parameters.find(name->parameter)) {
      std::vector<std::string_view> names;
      for (const auto& p : plan.source().parameters) names.push_back(p.name);
      throw format_error(optimizer.where() + ": the state of '" + name->parameter + "'" +
                         (known > 0 ? "" : ", as all other,") + " belongs to no parameter" +
                         nearest_names(name->parameter, names, 1) +
                         ": save it with the names of the weights, or take the file away to begin with new moments");
    }
  if (known == 0 && !optimizer.tensors().empty())
    throw format_error(optimizer.where() + ": tensor '" + optimizer.tensors()[0].name +
                       "', as all other, is no state of a parameter; expected names such as '" +
                       optimizer_name(OptimizerKind::m, plan.source().parameters.empty()
                                                            ? "<parameter>"
                                                            : plan.source().parameters[0].name) +
                       "': the state is of another trainer; take the file away to begin with new moments");
}

/// Throws format_error when averages lack a trained parameter. Those that have no optimizer state either are frozen.
inline void check_averages_complete(const Plan& plan, const TensorSet& averages, const TensorSet* optimizer) {
  std::vector<std::string> missing;
  for (const auto& p : plan.source().parameters) {
    if (!is_trained(p.info.purpose) || averages.find(p.name)) continue;
    if (optimizer && !optimizer->find(optimizer_name(OptimizerKind::m, p.name))) continue;
    missing.push_back(p.name);
  }
  if (missing.empty()) return;
  throw format_error(averages.where() + ": the averages lack " + std::to_string(missing.size()) + " of " +
                     std::to_string(plan.source().parameters.size()) + " parameters, such as '" + missing[0] +
                     "': they are of another model or cut short; take the file away to begin new averages");
}

}  // namespace modelgrow::inline v0
