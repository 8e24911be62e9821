// SPDX-License-Identifier: MIT
// The definitions of insert_blocks.hpp.
#pragma once
#include <algorithm>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/feasible.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void InsertBlocks::apply(Plan& plan) const {
  const std::string target = stack.empty() ? only_stack(plan) : named_stack(plan);
  const StackSpec spec = plan.schema().stack(target);
  plan.insert(target, places_in(spec), spec.rules.period, start, seed);
}

/// Copies come behind their originals, those of a repeated stack behind the stack.
MODELGROW_INLINE std::vector<Insert::Place> InsertBlocks::places_in(const StackSpec& spec) const {
  const std::int64_t period = spec.rules.period, special = spec.rules.last_is_special.empty() ? 0 : 1;
  const std::int64_t whole = std::max<std::int64_t>(1, (spec.count - special) / period);  // turns of the stack
  auto positions = positions_in(spec);
  std::sort(positions.begin(), positions.end());
  std::vector<Insert::Place> places;
  for (const auto at : positions) {
    const std::int64_t next = std::int64_t(places.size()) % whole * period;
    places.push_back({.at = at, .like = placement == Placement::stack ? next : at >= period ? at - period : 0});
  }
  return places;
}

MODELGROW_INLINE std::string InsertBlocks::stacks_of(const Plan& plan) {
  std::string known;
  for (const auto& s : plan.schema().stacks)
    if (const auto group = plan.paired(s.name); group[0] == s.name && (group.size() == 1 || s.name < group[1]))
      known += (known.empty() ? "" : ", ") + detail::join(group, '+');
  return known;
}

MODELGROW_INLINE std::string InsertBlocks::only_stack(const Plan& plan) {
  const auto& stacks = plan.schema().stacks;
  if (!stacks.empty() && plan.paired(stacks[0].name).size() == stacks.size()) return stacks[0].name;
  throw plan_error("InsertBlocks: family '" + plan.schema().family + "' has " + std::to_string(stacks.size()) +
                   " stacks; name in .stack which is to grow: " + stacks_of(plan));
}

MODELGROW_INLINE std::string InsertBlocks::named_stack(const Plan& plan) const {
  const auto words = detail::split_at(stack, '+');
  const auto group = plan.paired(words[0]);
  std::vector<std::string> named;
  for (const auto& w : words) named.push_back(plan.schema().stack(w).name);
  if (std::is_permutation(named.begin(), named.end(), group.begin(), group.end())) return group[0];
  throw plan_error("InsertBlocks: stack '" + stack + "' cannot grow alone: block i of '" + group[0] +
                   "' is followed by block i of '" + group.back() + "'; give .stack = \"" + detail::join(group, '+') +
                   "\", which grows them together");
}

MODELGROW_INLINE std::vector<std::int64_t> InsertBlocks::positions_in(const StackSpec& spec) const {
  if ((every != 0) + !at.empty() + (count != 0) != 1)
    throw plan_error("InsertBlocks: give exactly one of .every, .at and .count");
  if (every < 0 || every > spec.count)
    throw plan_error("InsertBlocks: .every = " + std::to_string(every) + "; stack '" + spec.name + "' has " +
                     std::to_string(spec.count) + " blocks, so expected 1 to " + std::to_string(spec.count));
  detail::require_feasible("InsertBlocks", "a count", count, 10'000);
  if (count < 0) throw plan_error("InsertBlocks: .count = " + std::to_string(count) + "; expected at least 1");
  if (placement == Placement::stack && count == 0)
    throw plan_error("InsertBlocks: a stack is repeated by .count blocks; give it in place of .every or .at");
  for (auto i : at)
    if (i < 0 || i > spec.count)
      throw plan_error("InsertBlocks: position " + std::to_string(i) + " does not exist; stack '" + spec.name +
                       "' has " + std::to_string(spec.count) + " blocks");
  if (!at.empty()) return at;
  // Index 0 is left alone (see Plan::notes), and nothing comes behind a last block of another kind.
  const std::int64_t period = spec.rules.period, last = spec.count - (spec.rules.last_is_special.empty() ? 0 : 1);
  const std::int64_t first = std::min(last, std::max(spec.rules.first_insertion, period));
  std::vector<std::int64_t> p;
  const auto put = [&](std::int64_t i) { p.push_back(std::clamp(i / period * period, first, last)); };
  if (every > 0)
    for (std::int64_t i = every; i <= spec.count; i += every)
      if (period == 1 || i % period == 0) put(i);
  for (std::int64_t k = 0; k < count; ++k)
    put(placement == Placement::prefix   ? 0
        : placement == Placement::insert ? spec.count * (k + 1) / count
                                         : spec.count);
  return p;
}

}  // namespace modelgrow::inline v0
