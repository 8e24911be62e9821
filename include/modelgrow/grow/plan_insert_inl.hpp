// SPDX-License-Identifier: MIT
// The verb that inserts blocks: where they may stand, what closes each of their branches, and what moves along: names,
// stacks that take turns, block numbers in config.json.
#pragma once
#include <map>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE std::vector<std::string> Plan::paired(std::string_view stack) const {
  std::vector<std::string> group{schema_.stack(stack).name};
  for (std::size_t i = 0; i < group.size(); ++i)
    for (const auto& s : schema_.stacks) {
      const bool linked = s.rules.paired_with == group[i] || schema_.stack(group[i]).rules.paired_with == s.name;
      if (linked && std::find(group.begin(), group.end(), s.name) == group.end()) group.push_back(s.name);
    }
  return group;
}

MODELGROW_INLINE void Plan::insert(std::string_view stack, std::int64_t at, std::int64_t like, std::int64_t run) {
  const auto group = paired(stack);
  std::int64_t closers = 0;
  Certificate function;
  for (const auto& name : group) {
    const StackSpec& spec = schema_.stack(name);
    const auto bad = [&](const std::string& what) {
      throw plan_error("cannot insert a block into " + detail::quote(name) + ": " + what);
    };
    const std::string has = "; the stack has " + std::to_string(spec.count) + " blocks";
    if (run < 1 || run % spec.rules.period != 0 || at % spec.rules.period != like % spec.rules.period)
      bad(std::to_string(run) + " blocks like " + std::to_string(like) + " at " + std::to_string(at) +
          "; kinds of blocks take turns with a period of " + std::to_string(spec.rules.period) + ", " +
          spec.rules.because);
    if (at < 0 || at > spec.count) bad("position " + std::to_string(at) + " does not exist" + has);
    if (like < 0 || like + run > spec.count)
      bad("there is no block " + std::to_string(like + run - 1) + " to copy" + has);
    if (like < at && like + run > at) bad("the blocks to copy reach over the place of their copies");
    if (at < spec.rules.first_insertion)
      bad("position " + std::to_string(at) + " comes before the first allowed one, " +
          std::to_string(spec.rules.first_insertion) + ": " + spec.rules.because);
    if (at == 0 && !spec.rules.first_only.empty())
      bad("block 0 alone has '" + spec.rules.first_only[0] +
          "', so nothing may come before it; the first position is 1");
    if (!spec.rules.last_is_special.empty() && (at == spec.count || like + run == spec.count))
      bad("its last block is of another kind, because " + spec.rules.last_is_special +
          ": new blocks come before it and copy others" + has);
    std::map<detail::Branch, std::int64_t> branches;
    for (const auto& p : schema_.parameters)
      if (const auto b = block_name(p.name, name); b && b->block >= like && b->block < like + run) {
        if (p.info.stream.inner && !p.info.stream.branch.empty()) branches[detail::branch_of(p, schema_.stacks)] += 0;
        detail::for_each_closed(p, schema_.stacks, [&](const detail::Branch& branch) { ++branches[branch]; });
      }
    if (branches.empty())
      bad("block " + std::to_string(like) + " has no closing parameter, so a copy would change the function");
    for (const auto& [branch, n] : branches) {
      if (n == 0) bad("nothing closes the branch " + detail::quote(branch.name) + " of " + branch.block);
      closers += n;
    }
    if (!spec.rules.never_identity.empty()) function = detail::approximate(spec.rules.never_identity);
  }
  if (function.exactness == Exactness::exact)
    function.reason = "the " + std::to_string(closers) + " closing parameters of the block are zero";
  Plan next = *this;
  const std::string names = detail::join(group, '+');
  next.push(
      Insert{.stacks = group, .at = at, .like = like, .run = run},
      run == 1
          ? "insert block " + std::to_string(at) + " of " + names + ", a closed copy of block " + std::to_string(like)
          : "insert blocks " + std::to_string(at) + " to " + std::to_string(at + run - 1) + " of " + names +
                ", closed copies of blocks " + std::to_string(like) + " to " + std::to_string(like + run - 1),
      std::move(function), Certificate{.reason = "the new block starts with zero moments and its own step 0"});
  for (const auto& name : group)
    for (std::int64_t i = 0; i < run; ++i) next.insert_one(name, at + i, like + (like >= at ? 2 * i : i));
  *this = std::move(next);
}

MODELGROW_INLINE void Plan::insert_one(const std::string& stack, std::int64_t at, std::int64_t like) {
  const auto first_only = schema_.stack(stack).rules.first_only;
  Schema next = schema_;
  next.parameters.clear();
  std::vector<Origin> origins;
  std::vector<std::size_t> copied;
  std::int64_t after = 0;
  for (std::size_t i = 0; i < schema_.parameters.size(); ++i)
    if (const auto b = block_name(schema_.parameters[i].name, stack)) {
      const bool only = std::find(first_only.begin(), first_only.end(), b->rest) != first_only.end();
      if (b->block == like && !only) copied.push_back(i);
      if (b->block < at) after = std::int64_t(i) + 1;
    } else if (at == 0 && after == std::int64_t(i)) {
      after = std::int64_t(i) + 1;  // in front of everything: behind what precedes the stack
    }
  const auto put_copy = [&] {
    for (auto i : copied) {
      ParamSpec p = schema_.parameters[i];
      p.name = in_block(stack, at, block_name(p.name, stack)->rest);
      Origin o = origins_[i];
      o.fresh = true;
      o.closed |= detail::closes_whole(p.info);
      o.gated |= !p.info.stream.gates.empty();
      next.parameters.push_back(std::move(p));
      origins.push_back(std::move(o));
    }
  };
  for (std::size_t i = 0; i < schema_.parameters.size(); ++i) {
    if (std::int64_t(i) == after) put_copy();
    ParamSpec p = schema_.parameters[i];
    if (const auto b = block_name(p.name, stack); b && b->block >= at)
      p.name = in_block(stack, b->block + 1, std::string(b->rest));
    next.parameters.push_back(std::move(p));
    origins.push_back(origins_[i]);
  }
  if (after == std::int64_t(schema_.parameters.size())) put_copy();
  for (auto& s : next.stacks)
    if (s.name == stack) ++s.count;
  schema_ = std::move(next);
  origins_ = std::move(origins);
  move_lists(stack, at, like);
}

/// Block numbers in config.json move with their blocks.
MODELGROW_INLINE void Plan::move_lists(const std::string& stack, std::int64_t at, std::int64_t like) {
  for (auto& list : schema_.lists) {
    auto& blocks = list.blocks;
    if (list.stack == stack) {
      const bool copied = std::find(blocks.begin(), blocks.end(), like) != blocks.end();
      for (auto& b : blocks) b += b >= at ? 1 : 0;
      if (list.guests.empty() && copied) blocks.insert(std::lower_bound(blocks.begin(), blocks.end(), at), at);
    }
    if (!list.guests.empty() && list.guests == stack) {
      const std::int64_t before = at > 0 ? blocks[std::size_t(at - 1)] : -1;
      const std::int64_t behind =
          at < std::int64_t(blocks.size()) ? blocks[std::size_t(at)] : schema_.stack(list.stack).count;
      if (behind - before < 2)
        throw plan_error("cannot insert a block into " + detail::quote(stack) + " at " + std::to_string(at) +
                         ": each feeds a block of '" + list.stack + "' (" + list.key + "), and there is none between " +
                         std::to_string(before) + " and " + std::to_string(behind) + "; insert blocks into '" +
                         list.stack + "' there first");
      blocks.insert(blocks.begin() + at, (before + behind) / 2);
    }
  }
}

MODELGROW_INLINE std::vector<std::int64_t> Plan::block_map(std::string_view stack) const {
  const std::string name = schema_.stack(stack).name;
  std::vector<std::int64_t> map;
  for (std::int64_t b = 0; b < source_.stack(stack).count; ++b) map.push_back(b);
  for (const auto& step : steps_)
    if (const auto* v = std::get_if<Insert>(&step.verb))
      if (std::find(v->stacks.begin(), v->stacks.end(), name) != v->stacks.end())
        map.insert(map.begin() + v->at, std::size_t(v->run), -1);
  return map;
}

}  // namespace modelgrow::inline v0
