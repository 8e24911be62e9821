// SPDX-License-Identifier: MIT
// The verb that inserts blocks: where they may stand, what closes each of their branches, and what moves along: names,
// stacks that take turns, block numbers in config.json.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/feasible.hpp>
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

namespace detail {

/// The number of an old block after an insertion.
inline std::int64_t moved(std::int64_t block, const std::vector<Insert::Place>& places, std::int64_t run) {
  const auto behind = std::upper_bound(places.begin(), places.end(), block,
                                       [](std::int64_t b, const Insert::Place& place) { return b < place.at; });
  return block + run * (behind - places.begin());
}

/// Calls f(new block, old block that it copies) in ascending order.
template <class F>
void for_each_copy(const std::vector<Insert::Place>& places, std::int64_t run, F&& f) {
  std::int64_t before = 0;
  for (const auto& place : places)
    for (std::int64_t i = 0; i < run; ++i, ++before) f(place.at + before, place.like + i);
}

/// "insert block 1 of blocks, a closed copy of block 0".
inline std::string sentence(const Insert& v) {
  constexpr std::string_view one[] = {"a closed copy of", "a copy of", "an opened copy of", "as random as"};
  constexpr std::string_view many[] = {"closed copies of", "copies of", "opened copies of", "as random as"};
  const std::string names = join(v.stacks, '+');
  if (v.places.size() == 1 && v.run == 1)
    return "insert block " + std::to_string(v.places[0].at) + " of " + names + ", " + std::string(one[int(v.start)]) +
           " block " + std::to_string(v.places[0].like);
  std::vector<std::int64_t> blocks, copied;
  for_each_copy(v.places, v.run, [&](std::int64_t block, std::int64_t like) {
    blocks.push_back(block);
    copied.push_back(like);
  });
  std::sort(copied.begin(), copied.end());
  copied.erase(std::unique(copied.begin(), copied.end()), copied.end());
  return "insert blocks " + ranges(blocks) + " of " + names + ", " + std::string(many[int(v.start)]) +
         (copied.size() == 1 ? " block " : " blocks ") + ranges(copied);
}

/// Why blocks that start like this change the function.
inline std::string open_because(BlockStart start) {
  return start == BlockStart::plain    ? "copies of blocks do once more what their originals do"
         : start == BlockStart::opened ? "copies of blocks write what their random closing parameters make of it"
                                       : "the new blocks are random";
}

/// What a random parameter of a block starts from, whatever the family: matrices and kernels by Xavier's rule, biases
/// zero, gains one, tables of vectors as diffusion transformers start their modulation.
inline Init random_start(const ParamSpec& p) {
  const auto& axes = p.info.axes;
  if (is_bias(p)) return Init::zeros();
  if (axes.size() < 2) return Init::ones();
  return axes.back().role == Role::each ? Init::normal(1 / std::sqrt(double(axes.back().size()))) : Init::xavier();
}
/// Whether random numbers take the place of a parameter of a new block.
inline bool starts_random(const ParamSpec& p, BlockStart start) {
  return is_trained(p.info.purpose) &&
         (start == BlockStart::random || (start == BlockStart::opened && closes_whole(p.info)));
}

}  // namespace detail

/// How many parameters close the new blocks. Throws plan_error.
MODELGROW_INLINE std::int64_t Plan::check_places(const StackSpec& spec, const std::vector<Insert::Place>& places,
                                                 std::int64_t run, BlockStart start) const {
  const auto bad = [&](const std::string& what) {
    throw plan_error("cannot insert a block into " + detail::quote(spec.name) + ": " + what);
  };
  const std::string has = "; the stack has " + std::to_string(spec.count) + " blocks";
  std::vector<std::map<detail::Branch, std::int64_t>> branches(std::size_t(spec.count));  // of each block
  for (const auto& p : schema_.parameters)
    if (const auto b = block_name(p.name, spec.name); b && b->block < spec.count) {
      auto& closed = branches[std::size_t(b->block)];
      if (start == BlockStart::opened && !p.info.stream.gates.empty())
        bad("rows of " + detail::quote(p.name) +
            " are gates that close a branch, and random ones would make the others senseless; give .start = plain or "
            "random");
      if (p.info.stream.inner && !p.info.stream.branch.empty()) closed[detail::branch_of(p, schema_.stacks)] += 0;
      detail::for_each_closed(p, schema_.stacks, [&](const detail::Branch& branch) { ++closed[branch]; });
    }
  std::int64_t closers = 0;
  const Insert::Place* last = nullptr;
  for (const auto& place : places) {
    const auto& [at, like] = place;
    if (run < 1 || run % spec.rules.period != 0 || at % spec.rules.period != like % spec.rules.period)
      bad(std::to_string(run) + " blocks like " + std::to_string(like) + " at " + std::to_string(at) +
          "; kinds of blocks take turns with a period of " + std::to_string(spec.rules.period) + ", " +
          spec.rules.because);
    if (at < 0 || at > spec.count) bad("position " + std::to_string(at) + " does not exist" + has);
    if (like < 0 || run > spec.count - like)
      bad("there is no block " + std::to_string(like < 0 ? like : std::max(like, spec.count)) + " to copy" + has);
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
    if (last && last->at > at)
      bad("position " + std::to_string(at) + " is given behind " + std::to_string(last->at) +
          "; give positions in ascending order");
    last = &place;
    if (start != BlockStart::closed) continue;
    bool closes = false;
    for (std::int64_t i = like; i < like + run; ++i)
      for (const auto& [branch, n] : branches[std::size_t(i)]) {
        if (n == 0) bad("nothing closes the branch " + detail::quote(branch.name) + " of " + branch.block);
        closers += n;
        closes = true;
      }
    if (!closes)
      bad("block " + std::to_string(like) + " has no closing parameter, so a copy would change the function");
  }
  return closers;
}

MODELGROW_INLINE void Plan::insert(std::string_view stack, std::vector<Insert::Place> places, std::int64_t run,
                                   BlockStart start, std::uint64_t seed) {
  Insert verb{.stacks = paired(stack), .places = std::move(places), .run = run, .start = start, .seed = seed};
  if (verb.places.empty()) throw plan_error("an insertion into " + detail::quote(stack) + " names no place");
  std::int64_t closers = 0;
  Certificate function;
  for (const auto& name : verb.stacks) {
    const StackSpec& spec = schema_.stack(name);
    closers += check_places(spec, verb.places, run, start);
    if (!spec.rules.never_identity.empty()) function = detail::approximate(spec.rules.never_identity);
  }
  if (start != BlockStart::closed) function = detail::approximate(detail::open_because(start));
  const std::int64_t blocks = std::int64_t(verb.places.size()) * run;
  detail::require_feasible("cannot insert into " + detail::quote(stack), "a number of blocks", blocks);
  if (function.exactness == Exactness::exact)
    function.reason = "the " + std::to_string(closers) + " closing parameters of the " +
                      (blocks == 1 ? "block are zero" : "new blocks are zero");
  Certificate trajectory{.reason = blocks == 1 ? "the new block starts with zero moments and its own step 0"
                                               : "new blocks start with zero moments and their own step 0"};
  if (start != BlockStart::closed) trajectory = function;
  Plan next = *this;
  next.push(verb, detail::sentence(verb), std::move(function), std::move(trajectory));
  for (const auto& name : verb.stacks) {
    next.insert_copies(name, verb);
    next.move_lists(name, verb.places, run);
  }
  *this = std::move(next);
}

MODELGROW_INLINE void Plan::insert_copies(const std::string& stack, const Insert& verb) {
  const auto& [stacks, places, run, start, seed] = verb;
  const auto spec =
      std::find_if(schema_.stacks.begin(), schema_.stacks.end(), [&](const StackSpec& s) { return s.name == stack; });
  const auto& first_only = spec->rules.first_only;
  const std::vector<ParamSpec> old = std::move(schema_.parameters);
  std::vector<std::vector<std::size_t>> copied(std::size_t(spec->count));  // parameters of each block that copies have
  std::vector<std::size_t> behind(std::size_t(spec->count) + 1, 0);        // all that stands before each block
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < old.size(); ++i)
    if (const auto b = block_name(old[i].name, stack)) {
      if (!first) first = i;
      if (b->block >= spec->count) continue;
      if (std::find(first_only.begin(), first_only.end(), b->rest) == first_only.end())
        copied[std::size_t(b->block)].push_back(i);
      behind[std::size_t(b->block) + 1] = i + 1;
    }
  behind[0] = first.value_or(old.size());
  for (std::size_t b = 1; b < behind.size(); ++b) behind[b] = std::max(behind[b], behind[b - 1]);

  std::vector<ParamSpec> parameters;
  std::vector<Origin> origins;
  const auto put = [&](std::size_t i, std::int64_t block) -> Origin& {
    parameters.push_back(old[i]);
    if (block >= 0) parameters.back().name = in_block(stack, block, block_name(old[i].name, stack)->rest);
    return origins.emplace_back(origins_[i]);
  };
  auto place = places.begin();
  std::int64_t before = 0;  // new blocks so far
  for (std::size_t i = 0; i <= old.size(); ++i) {
    for (; place != places.end() && behind[std::size_t(place->at)] == i; ++place)
      for (std::int64_t k = 0; k < run; ++k, ++before)
        for (const auto c : copied[std::size_t(place->like + k)]) {
          Origin& o = put(c, place->at + before);
          const ParamSpec& p = parameters.back();
          o.fresh = true;
          if (start == BlockStart::closed) {
            o.closed |= detail::closes_whole(p.info);
            o.gated |= !p.info.stream.gates.empty();
          } else if (detail::starts_random(p, start)) {
            o = Origin{
                .source = o.source,
                .step = o.step,
                .added = o.added,
                .touches = {},
                .fresh = true,
                .share = o.share,
                .drawn = Drawn{.axes = p.info.axes, .init = detail::random_start(p), .seed = seed, .key = p.name}};
          }
        }
    if (i == old.size()) break;
    const auto b = block_name(old[i].name, stack);
    put(i, b ? detail::moved(b->block, places, run) : -1);
  }
  spec->count += before;
  schema_.parameters = std::move(parameters);
  origins_ = std::move(origins);
}

/// Block numbers in config.json move with their blocks.
MODELGROW_INLINE void Plan::move_lists(const std::string& stack, const std::vector<Insert::Place>& places,
                                       std::int64_t run) {
  for (auto& list : schema_.lists) {
    auto& blocks = list.blocks;
    if (list.stack == stack) {
      const std::set<std::int64_t> had(blocks.begin(), blocks.end());
      for (auto& b : blocks) b = detail::moved(b, places, run);
      if (list.guests.empty()) {
        detail::for_each_copy(places, run, [&](std::int64_t block, std::int64_t like) {
          if (had.contains(like)) blocks.push_back(block);
        });
        std::sort(blocks.begin(), blocks.end());
      }
    }
    if (list.guests.empty() || list.guests != stack) continue;
    detail::for_each_copy(places, run, [&](std::int64_t at, std::int64_t) {
      const std::int64_t before = at > 0 ? blocks[std::size_t(at - 1)] : -1;
      const std::int64_t behind =
          at < std::int64_t(blocks.size()) ? blocks[std::size_t(at)] : schema_.stack(list.stack).count;
      if (behind - before < 2)
        throw plan_error("cannot insert a block into " + detail::quote(stack) + " at " + std::to_string(at) +
                         ": each feeds a block of '" + list.stack + "' (" + list.key + "), and there is none between " +
                         std::to_string(before) + " and " + std::to_string(behind) + "; insert blocks into '" +
                         list.stack + "' there first");
      blocks.insert(blocks.begin() + at, (before + behind) / 2);
    });
  }
}

MODELGROW_INLINE std::vector<std::int64_t> Plan::block_map(std::string_view stack) const {
  const std::string name = schema_.stack(stack).name;
  std::vector<std::int64_t> map;
  for (std::int64_t b = 0; b < source_.stack(stack).count; ++b) map.push_back(b);
  for (const auto& step : steps_)
    if (const auto* v = std::get_if<Insert>(&step.verb))
      if (std::find(v->stacks.begin(), v->stacks.end(), name) != v->stacks.end()) {
        std::vector<std::int64_t> next(map.size() + v->places.size() * std::size_t(v->run), -1);
        for (std::size_t b = 0; b < map.size(); ++b)
          next[std::size_t(detail::moved(std::int64_t(b), v->places, v->run))] = map[b];
        map = std::move(next);
      }
  return map;
}

MODELGROW_INLINE std::string Plan::follow(std::string name) const {
  for (const auto& step : steps_)
    if (const auto* v = std::get_if<Insert>(&step.verb))
      for (const auto& stack : v->stacks)
        if (const auto b = block_name(name, stack))
          name = in_block(stack, detail::moved(b->block, v->places, v->run), std::string(b->rest));
  return name;
}

}  // namespace modelgrow::inline v0
