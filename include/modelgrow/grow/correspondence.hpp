// SPDX-License-Identifier: MIT
// Which old tensor and which old units belong to each new one, replayed from the verbs alone. The file check uses this
// and nothing that made the tensors, so that both would have to be wrong in the same way.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <modelgrow/grow/blocks.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0::detail {

/// The units of a space that grew, each of one ancestor: an old unit, or one that was silent or blended at some step.
struct Units {
  std::vector<std::int64_t> ancestor;  // by new unit
  std::vector<std::int64_t> old;       // by ancestor: itself, or the old unit that a silent one stands beside
  std::vector<bool> silent, blended;   // by ancestor
  std::vector<bool> unread;            // by ancestor: silent, and a channel of the data
  std::int64_t old_size = 0;
  std::vector<bool> part;  // by ancestor: silent, and beside a unit that has only a part of the weights of its ancestor
  double gain = 1;         // of an RMSNorm across the units, whose mean square the silent ones lower
  double query = 1;        // of queries, where the units are inside of heads
  std::vector<double> kept = {};  // by ancestor, where copies are apart: of the gradient of the old one; 0: of a copy
};
using UnitsOf = std::map<std::string, Units, std::less<>>;

inline UnitsOf units_of(const Plan& plan) {
  UnitsOf units;
  for (const auto& step : plan.steps())
    if (const auto* v = std::get_if<Remap>(&step.verb))
      for (const auto& m : v->maps) {
        auto& u = units[m.space];
        if (u.old_size == 0) {
          u.old_size = m.old_size;
          u.unread.assign(std::size_t(m.old_size), false);
          u.part = u.silent = u.blended = u.unread;
          for (std::int64_t i = 0; i < m.old_size; ++i) u.ancestor.push_back(i), u.old.push_back(i);
        }
        std::vector<std::int64_t> next, copies(u.old.size(), 0);
        for (const auto i : u.ancestor) ++copies[std::size_t(i)];
        for (std::size_t j = 0; j < m.from.size(); ++j) {
          const std::int64_t like = u.ancestor[std::size_t(m.from[j])];
          const bool silent = !m.silent.empty() && m.silent[j];
          const bool blended = !m.blend.empty() && m.blend[j].size() != 1;
          next.push_back(silent || blended ? std::int64_t(u.old.size()) : like);
          if (!silent && !blended) continue;
          u.silent.push_back(silent || u.silent[std::size_t(like)]);
          u.blended.push_back(blended || u.blended[std::size_t(like)]);
          u.old.push_back(u.old[std::size_t(like)]);
          u.part.push_back(u.part[std::size_t(like)] || copies[std::size_t(like)] > 1);
          u.unread.push_back(m.silence == Silence::unread);
        }
        if (!m.silent.empty()) {
          const double eta = std::sqrt(double(m.old_size) / double(m.from.size()));
          u.gain *= eta;
          if (m.silence == Silence::in_heads) u.query *= 1 / eta;
        }
        u.ancestor = std::move(next);
      }
  return units;
}

/// What new units have of the gradient of the old ones, by space.
using SharesOf = std::map<std::string, std::vector<double>, std::less<>>;
inline SharesOf shares_of_gradient(const Plan& plan) {
  SharesOf shares;
  for (const auto& step : plan.steps())
    if (const auto* v = std::get_if<Remap>(&step.verb))
      for (const auto& m : v->maps) {
        auto& share = shares[m.space];
        share.resize(std::size_t(m.old_size), 1.0);
        std::vector<double> next;
        for (std::size_t j = 0; j < m.from.size(); ++j) next.push_back(m.split[j] * share[std::size_t(m.from[j])]);
        share = std::move(next);
      }
  return shares;
}

/// The same units, but every copy other than the first of its ancestor is an ancestor of its own: what has no first
/// moment where that of new units is reset. `shares`: of the gradient of the ancestor.
inline UnitsOf copies_apart(const SharesOf& shares, UnitsOf units) {
  for (auto& [space, u] : units) {
    u.kept.assign(u.old.size(), 0.0);
    std::vector<bool> seen(u.old.size(), false);
    for (std::size_t j = 0; j < u.ancestor.size(); ++j) {
      const auto i = std::size_t(u.ancestor[j]);
      if (!seen[i]) {
        seen[i] = true;
        u.kept[i] = shares.find(space)->second[j];
        continue;
      }
      u.ancestor[j] = std::int64_t(u.old.size());
      u.old.push_back(u.old[i]);
      u.silent.push_back(u.silent[i]);
      u.blended.push_back(u.blended[i]);
      u.unread.push_back(u.unread[i]);
      u.part.push_back(u.part[i]);
      u.kept.push_back(0.0);
    }
  }
  return units;
}

/// New index -> ancestor of one axis, and what is known about each ancestor.
struct AxisUnits {
  std::vector<std::int64_t> ancestor;  // by new index
  std::vector<std::int64_t> old;       // by ancestor: its old index
  std::vector<double> scale;           // by ancestor: of the weight; 0 where it starts at zero, NaN: not known
  std::vector<bool> silent, part;      // by ancestor, as of Units; of a blended one nothing is known
  std::vector<double> kept;            // by ancestor, as of Units, or 1
};

/// Digit by digit, factor by factor, term by term.
inline AxisUnits axis_units(const ParamInfo& grown, const ParamInfo& old, std::size_t a, const UnitsOf& units) {
  AxisUnits all;
  std::int64_t base = 0, chunk = 0;
  const auto unit = [&](const Space& s) {
    const auto it = units.find(s.name);
    return it == units.end() ? nullptr : &it->second;
  };
  const auto& shifts = grown.silencing.shifts;
  const Role role = grown.axes[a].role;
  for (std::size_t t = 0; t < grown.axes[a].extent.terms().size(); ++t) {
    const auto &now = grown.axes[a].extent.terms()[t], &before = old.axes[a].extent.terms()[t];
    const auto first = std::int64_t(all.old.size());
    std::int64_t ancestors = 1, per_chunk = 1, chunks = 1;
    for (const auto& f : now) {
      const auto* u = unit(f);
      const std::int64_t n = u ? std::int64_t(u->old.size()) : f.size;
      ancestors *= n;
      (f.name.empty() && per_chunk == 1 ? chunks : per_chunk) *= n;
    }
    if (per_chunk == 1) per_chunk = chunks, chunks = 1;  // a number is one chunk
    for (std::int64_t index = 0; index < Extent::size_of(now); ++index) {
      std::int64_t rest = index, stride = 1, there = first;
      for (std::size_t f = now.size(); f-- > 0; rest /= now[f].size) {
        const auto* u = unit(now[f]);
        const std::int64_t digit = rest % now[f].size;
        there += stride * (u ? u->ancestor[std::size_t(digit)] : digit);
        stride *= u ? std::int64_t(u->old.size()) : now[f].size;
      }
      all.ancestor.push_back(there);
    }
    for (std::int64_t index = 0; index < ancestors; ++index) {
      std::int64_t rest = index, stride = 1, there = base;
      bool silent = false, unread = false, part = false, in_heads = false;
      double scale = 1, kept = 1;
      const std::int64_t here = chunk + index / per_chunk;
      const auto among = [&](const std::vector<std::int64_t>& chunks) {
        return chunks.empty() || std::find(chunks.begin(), chunks.end(), here) != chunks.end();
      };
      const bool query = grown.silencing.query && a == 0 && role != Role::in && among(grown.silencing.queries);
      for (std::size_t f = now.size(); f-- > 0; stride *= before[f].size) {
        const auto* u = unit(now[f]);
        const std::int64_t n = u ? std::int64_t(u->old.size()) : now[f].size, digit = rest % n;
        rest /= n;
        there += stride * (u ? u->old[std::size_t(digit)] : digit);
        if (!u) continue;
        silent |= u->silent[std::size_t(digit)];
        if (!u->kept.empty()) kept *= u->kept[std::size_t(digit)];
        if (u->blended[std::size_t(digit)]) scale = NAN;
        part |= u->part[std::size_t(digit)];
        unread |= u->unread[std::size_t(digit)];
        in_heads |= u->query != 1;
        if (query && u->query != 1)
          scale *= grown.silencing.gain ? 1 : u->query;
        else if (grown.silencing.gain)
          scale *= u->gain;
      }
      const bool added = a > 0 || among(shifts);
      if (silent && !grown.silencing.gain && !(query && in_heads) && (unread || (role != Role::in && added))) scale = 0;
      all.old.push_back(there);
      all.scale.push_back(scale);
      all.silent.push_back(silent);
      all.part.push_back(part);
      all.kept.push_back(kept);
    }
    base += Extent::size_of(before);
    chunk += chunks;
  }
  return all;
}

/// A fill that a tensor went through, and the source of the weight that reads there.
struct Filled {
  const Fill* fill = nullptr;
  Filling::Part part = Filling::Part::weight;
  std::string weight;
};

/// Where a tensor comes from.
struct Ancestor {
  enum class Closers { kept, closed, random };
  std::string source;               // empty: added
  bool fresh = false;               // part of an inserted block, or added
  Closers closers = Closers::kept;  // what becomes of it if it closes a branch
  bool random = false;              // all that is trained and closes nothing is
  std::vector<Filled> fills = {};   // in order
  double share = 1;                 // of the gradient
};

/// What block 0 of a stack alone has.
inline std::vector<std::string> first_only(const Plan& plan, const std::string& stack) {
  for (const auto& s : plan.source().stacks)
    if (s.name == stack) return s.rules.first_only;
  return {};
}

using Ancestors = std::map<std::string, Ancestor>;  // by new name

/// After an insertion into one stack: where its old blocks are, and what the new ones copy.
inline Ancestors inserted(Ancestors now, const Insert& verb, const std::string& stack,
                          const std::vector<std::string>& alone, const std::set<std::string>& known) {
  const auto copy = [&](Ancestor a) {
    a.fresh = true;
    a.random |= verb.start == BlockStart::random;
    if (verb.start != BlockStart::plain)
      a.closers = verb.start == BlockStart::closed ? Ancestor::Closers::closed : Ancestor::Closers::random;
    return a;
  };
  std::multimap<std::int64_t, std::int64_t> copies;  // old block -> new ones
  std::int64_t before = 0;                           // new blocks in front of a place
  for (const auto& place : verb.places)
    for (std::int64_t i = 0; i < verb.run; ++i, ++before) copies.emplace(place.like + i, place.at + before);
  const auto moved = [&](std::int64_t block) {
    const auto behind = std::upper_bound(verb.places.begin(), verb.places.end(), block,
                                         [](std::int64_t b, const Insert::Place& place) { return b < place.at; });
    return block + verb.run * (behind - verb.places.begin());
  };
  Ancestors next;
  for (auto& [n, a] : now) {
    const auto b = block_name(n, stack);
    if (!b) {
      next.emplace(n, std::move(a));
      continue;
    }
    const bool follows = a.source.empty() || known.contains(a.source);
    if (follows && std::find(alone.begin(), alone.end(), b->rest) == alone.end())
      for (auto [it, end] = copies.equal_range(b->block); it != end; ++it)
        next.emplace(in_block(stack, it->second, b->rest), copy(a));
    next.emplace(in_block(stack, moved(b->block), b->rest), std::move(a));
  }
  return next;
}

/// Names outside the schema follow their blocks but are not copied with them.
inline Ancestors ancestors(const Plan& plan, const std::vector<std::string>& names) {
  std::set<std::string> known;
  for (const auto& p : plan.source().parameters) known.insert(p.name);
  Ancestors now;
  for (const auto& n : names) now[n] = Ancestor{.source = n};
  const Ancestor added{.source = {}, .fresh = true, .closers = Ancestor::Closers::closed};
  for (const auto& step : plan.steps()) {
    if (const auto* insert = std::get_if<Insert>(&step.verb)) {
      for (const auto& stack : insert->stacks)
        now = inserted(std::move(now), *insert, stack, first_only(plan, stack), known);
    } else if (const auto* add = std::get_if<Add>(&step.verb)) {
      for (const auto& p : add->parameters) now[p.name] = added;
    } else if (const auto* fill = std::get_if<Fill>(&step.verb)) {
      for (const auto& reader : fill->readers) {
        const auto note = [&](const std::string& name, Filling::Part part) {
          if (!name.empty())
            now[name].fills.push_back(Filled{.fill = fill, .part = part, .weight = now[reader.weight].source});
        };
        note(reader.weight, Filling::Part::weight);
        note(reader.bias, Filling::Part::bias);
        note(reader.states, Filling::Part::states);
      }
    } else if (const auto* mix = std::get_if<Upcycle>(&step.verb)) {
      for (const auto& router : mix->routers) {
        const std::string layer = layer_of(router.name) + ".";
        Ancestors experts;
        for (auto it = now.lower_bound(layer); it != now.end() && it->first.starts_with(layer); ++it) {
          auto& [n, a] = *it;
          if (!a.source.empty() && !known.contains(a.source)) continue;
          a.share /= double(mix->experts);
          experts.emplace(n, a);
        }
        for (const auto& [n, a] : experts) {
          now.erase(n);
          for (std::int64_t e = 0; e < mix->experts; ++e) now[in_expert(layer_of(router.name), e, n)] = a;
        }
        now[router.name] = added;
      }
    } else if (const auto* rename = std::get_if<Rename>(&step.verb)) {
      auto node = now.extract(rename->from);
      if (!node.empty()) now[rename->to] = node.mapped();
    } else if (const auto* drop = std::get_if<Drop>(&step.verb)) {
      now.erase(drop->name);
    } else if (const auto* tie = std::get_if<Tie>(&step.verb)) {
      if (const auto it = now.find(tie->to); it != now.end()) now[tie->name] = it->second;
    }
  }
  return now;
}

}  // namespace modelgrow::inline v0::detail
