// SPDX-License-Identifier: MIT
// The definitions of rate_groups.hpp.
#pragma once
#include <algorithm>
#include <map>
#include <tuple>

#include <modelgrow/grow/optimizers/all.hpp>
#include <modelgrow/grow/optimizers/rate_groups.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE RateGroups rate_groups(const Plan& plan, Optimizer optimizer) {
  RateGroups all;
  std::map<std::tuple<double, double, double>, std::size_t> index;
  const auto& rule = rule_of(optimizer);
  const auto trains = [&](const Shape& shape) {
    return std::ranges::any_of(rule.entries, [&](const auto& e) { return has_entry(e, shape.rank()); });
  };
  for (const auto& r : plan.recipes()) {
    if (!is_trained(r.purpose) || !trains(r.shape)) continue;
    bool uneven = false;
    const auto mean = [&](const Factor& f) {
      uneven |= !f.everywhere();
      return f.everywhere().value_or(detail::geometric_mean(f.rows) * detail::geometric_mean(f.columns));
    };
    const auto factors = step_factors(rule, r);
    const std::tuple key(mean(factors.rate), mean(factors.epsilon), mean(factors.decay));
    const auto [it, first] = index.emplace(key, all.groups.size());
    if (first)
      all.groups.push_back(RateGroup{.rate = std::get<0>(key), .epsilon = std::get<1>(key), .decay = std::get<2>(key)});
    all.groups[it->second].parameters.push_back(r.name);
    if (uneven) all.uneven.push_back(r.name);
  }
  std::ranges::stable_partition(all.groups,
                                [](const RateGroup& g) { return g.rate == 1 && g.epsilon == 1 && g.decay == 1; });
  return all;
}

}  // namespace modelgrow::inline v0
