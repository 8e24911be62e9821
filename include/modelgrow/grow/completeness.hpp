// SPDX-License-Identifier: MIT
// What lies beside the weights belongs to them, all of it: averages or optimizer state that cover only a part would
// grow into a run that goes on from two different models.
#pragma once
#include <modelgrow/grow/held_state.hpp>
#include <modelgrow/grow/outputs.hpp>

namespace modelgrow::inline v0 {

/// Throws format_error for a parameter with a part of its state, and for state that belongs to no parameter or that
/// nobody knows. Parameters without any state are frozen ones.
inline void check_optimizer_complete(const Plan& plan, const TensorSet& optimizer) {
  const HeldState held(optimizer);
  std::size_t known = 0;
  for (const auto& p : plan.source().parameters) {
    const auto* state = held.find(p.name);
    if (!state) continue;
    const StateEntry *there = nullptr, *missing = nullptr;
    for (const auto& e : rule_of(state->optimizer).entries)
      if (e.presence == StateEntry::Presence::always && e.moves != Moves::counted && has_entry(e, p.shape().rank()))
        (state->find(e.name) ? there : missing) = &e;
    known += there != nullptr;
    if (there && missing)
      throw format_error(optimizer.where() + ": parameter '" + p.name + "' has the entry '" + std::string(there->name) +
                         "' of " + std::string(name(state->optimizer)) + " and no entry '" +
                         std::string(missing->name) +
                         "': the state is of another optimizer or cut short; take the file away to begin with new "
                         "moments");
  }
  const ParameterIndex parameters(plan.source());
  std::vector<std::string_view> names;
  for (const auto& p : plan.source().parameters) names.push_back(p.name);
  for (const auto& t : optimizer.tensors()) {
    const auto parsed = parse_state_name(t.name);
    if (parsed && !parameters.find(parsed->parameter))
      throw format_error(optimizer.where() + ": the state of '" + parsed->parameter + "'" +
                         (known > 0 ? "" : ", as all other,") + " belongs to no parameter" +
                         nearest_names(parsed->parameter, names, 1) +
                         ": save it with the names of the weights, or take the file away to begin with new moments");
    for (auto dot = t.name.find('.'); known > 0 && !parsed && dot != t.name.npos; dot = t.name.find('.', dot + 1))
      if (const auto parameter = t.name.substr(dot + 1); parameters.find(parameter))
        throw format_error(optimizer.where() + ": tensor '" + t.name + "' is state of '" + parameter +
                           "' by its name, and there is no rule for '" + t.name.substr(0, dot) +
                           "': its shape would stay the old one; take it out of the file");
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
inline void check_averages_complete(const Plan& plan, const TensorSet& averages,
                                    const std::vector<TensorSet>& optimizers) {
  const std::vector<HeldState> held(optimizers.begin(), optimizers.end());
  std::vector<std::string> missing;
  for (const auto& p : plan.source().parameters) {
    if (!is_trained(p.info.purpose) || averages.find(p.name)) continue;
    if (!held.empty() && std::ranges::none_of(held, [&](const HeldState& h) { return h.find(p.name); })) continue;
    missing.push_back(p.name);
  }
  if (missing.empty()) return;
  throw format_error(averages.where() + ": the averages lack " + std::to_string(missing.size()) + " of " +
                     std::to_string(plan.source().parameters.size()) + " parameters, such as '" + missing[0] +
                     "': they are of another model or cut short; take the file away to begin new averages");
}

}  // namespace modelgrow::inline v0
