// SPDX-License-Identifier: MIT
// The groups that some parameters need for their rates, written into the state itself: where a group is one tensor in
// the files (ZeRO), they cannot be made after loading.
#pragma once
#include <algorithm>

#include <modelgrow/checkpoint/stored_optimizer.hpp>
#include <modelgrow/grow/param_groups.hpp>

namespace modelgrow::inline v0::detail {

/// Options of a group with the factors of a split.
inline PickleDict scaled_options(PickleDict options, const ParamGroups::Split& split) {
  for (const auto& [key, factor] : {std::pair("lr", split.rate), std::pair("initial_lr", split.rate),
                                    std::pair("eps", split.epsilon), std::pair("weight_decay", split.decay)}) {
    const auto* old = options.find(key);
    if (const auto* number = old ? old->get<double>() : nullptr) options.set(key, PickleValue(*number * factor));
  }
  return options;
}

/// Parameters in the order of the groups, of which the new ones come last, as add_param_group puts them. Throws
/// format_error where nothing is left in a group.
inline StoredOptimizer with_own_groups(const StoredOptimizer& state, const std::vector<ParamGroups::Split>& splits) {
  StoredOptimizer now = state;
  now.parameters.clear();
  for (std::size_t g = 0; g < state.groups.size() + splits.size(); ++g) {
    const auto* split = g < state.groups.size() ? nullptr : &splits[g - state.groups.size()];
    const auto& old = state.groups[split ? split->group : g];
    if (split) now.groups.push_back({.options = scaled_options(old.options, *split)});
    now.groups[g].parameters.clear();
    for (const auto place : old.parameters) {
      const auto& p = state.parameters[place];
      const auto leaves = [&](const ParamGroups::Split& s) {
        return std::ranges::find(s.parameters, p.name) != s.parameters.end();
      };
      if (split ? !leaves(*split) : std::ranges::any_of(splits, leaves)) continue;
      now.groups[g].parameters.push_back(now.parameters.size());
      now.parameters.push_back(p);
    }
    if (now.groups[g].parameters.empty() && !old.parameters.empty())
      throw format_error(state.source + ": all parameters of group " + std::to_string(g) +
                         " need other rates, and DeepSpeed has no group without parameters; grow with equal rates "
                         "(OptimizerPolicy, --optimizer-policy multipliers=off), or put others into that group");
  }
  return now;
}

}  // namespace modelgrow::inline v0::detail
