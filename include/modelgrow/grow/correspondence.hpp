// SPDX-License-Identifier: MIT
// Which old tensor and which old units belong to each new one, replayed from the verbs alone. The file check uses this
// and nothing that made the tensors, so that both would have to be wrong in the same way.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include <modelgrow/grow/blocks.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0::detail {

/// New unit -> old unit, for every space that grew.
using UnitsOf = std::map<std::string, std::vector<std::int64_t>, std::less<>>;

inline UnitsOf units_of(const Plan& plan) {
  UnitsOf units;
  for (const auto& step : plan.steps())
    if (const auto* v = std::get_if<Remap>(&step.verb))
      for (const auto& m : v->maps) {
        auto& known = units[m.space];
        std::vector<std::int64_t> next = m.from;
        if (!known.empty())
          for (auto& i : next) i = known[std::size_t(i)];
        known = std::move(next);
      }
  return units;
}

/// New index -> old index of one axis: digit by digit, factor by factor, term by term.
inline std::vector<std::int64_t> old_indices(const Extent& grown, const Extent& old, const UnitsOf& units) {
  std::vector<std::int64_t> all;
  std::int64_t base = 0;
  for (std::size_t t = 0; t < grown.terms().size(); ++t) {
    const auto &now = grown.terms()[t], &before = old.terms()[t];
    for (std::int64_t index = 0; index < Extent::size_of(now); ++index) {
      std::int64_t rest = index, stride = 1, there = base;
      for (std::size_t f = now.size(); f-- > 0; rest /= now[f].size, stride *= before[f].size) {
        const std::int64_t digit = rest % now[f].size;
        const auto it = units.find(now[f].name);
        there += stride * (it == units.end() ? digit : it->second[std::size_t(digit)]);
      }
      all.push_back(there);
    }
    base += Extent::size_of(before);
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
  std::string source;              // empty: added
  bool fresh = false;              // part of an inserted block, or added
  std::vector<Filled> fills = {};  // in order
};

/// What block 0 of a stack alone has.
inline std::vector<std::string> first_only(const Plan& plan, const std::string& stack) {
  for (const auto& s : plan.source().stacks)
    if (s.name == stack) return s.rules.first_only;
  return {};
}

/// New name -> ancestor. Names outside the schema follow their blocks but are not copied with them.
inline std::map<std::string, Ancestor> ancestors(const Plan& plan, const std::vector<std::string>& names) {
  std::set<std::string> known;
  for (const auto& p : plan.source().parameters) known.insert(p.name);
  std::map<std::string, Ancestor> now;
  for (const auto& n : names) now[n] = Ancestor{.source = n};
  for (const auto& step : plan.steps()) {
    if (const auto* insert = std::get_if<Insert>(&step.verb)) {
      for (const auto& stack : insert->stacks) {
        const auto alone = first_only(plan, stack);
        std::map<std::string, Ancestor> next;
        for (const auto& [n, a] : now) {
          const auto b = block_name(n, stack);
          if (!b) {
            next[n] = a;
            continue;
          }
          next[in_block(stack, b->block + (b->block >= insert->at ? insert->run : 0), b->rest)] = a;
          const bool copied = b->block >= insert->like && b->block < insert->like + insert->run &&
                              std::find(alone.begin(), alone.end(), b->rest) == alone.end();
          if (copied && (a.source.empty() || known.contains(a.source)))
            next[in_block(stack, insert->at + b->block - insert->like, b->rest)] =
                Ancestor{.source = a.source, .fresh = true, .fills = a.fills};
        }
        now = std::move(next);
      }
    } else if (const auto* add = std::get_if<Add>(&step.verb)) {
      for (const auto& p : add->parameters) now[p.name] = Ancestor{.source = {}, .fresh = true};
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
