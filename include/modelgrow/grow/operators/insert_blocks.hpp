// SPDX-License-Identifier: MIT
// InsertBlocks (Net2Deeper, LLaMA-Pro, ModelGrow): new blocks are copies of their predecessors whose residual writers,
// weights and biases, are zero, so that each starts as the identity.
#pragma once
#include <algorithm>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// Where `count` new blocks go: spread evenly, in front, or at the end (ModelGrow found `insert` best).
enum class Placement { insert, prefix, suffix };

/// Give exactly one of `every`, `at` and `count`.
struct InsertBlocks {
  static constexpr std::string_view name = "InsertBlocks";
  std::string stack = {};             // may stay empty where there is only one
  std::int64_t every = 0;             // one new block after every so many old ones
  std::vector<std::int64_t> at = {};  // before these old blocks; the number of old blocks means at the end
  std::int64_t count = 0;             // so many new blocks, by `placement`
  Placement placement = Placement::insert;

  /// Throws plan_error for a position the family forbids or that does not exist.
  void apply(Plan& plan) const {
    const std::string target = stack.empty() ? only_stack(plan.schema()) : plan.schema().stack(stack).name;
    const auto& spec = plan.schema().stack(target);
    auto positions = positions_in(spec);
    std::sort(positions.begin(), positions.end());
    for (std::size_t k = 0; k < positions.size(); ++k) {
      const std::int64_t here = positions[k] + std::int64_t(k);  // earlier insertions moved the later blocks
      plan.insert(target, here, here > 0 ? here - 1 : 0);
    }
  }

 private:
  static std::string only_stack(const Schema& schema) {
    if (schema.stacks.size() == 1) return schema.stacks[0].name;
    std::string known;
    for (const auto& s : schema.stacks) known += (known.empty() ? "" : ", ") + s.name;
    throw plan_error("InsertBlocks: family '" + schema.family + "' has " + std::to_string(schema.stacks.size()) +
                     " stacks (" + known + "); name one of them in .stack");
  }
  std::vector<std::int64_t> positions_in(const StackSpec& spec) const {
    if ((every != 0) + !at.empty() + (count != 0) != 1)
      throw plan_error("InsertBlocks: give exactly one of .every, .at and .count");
    if (every < 0 || every > spec.count)
      throw plan_error("InsertBlocks: .every = " + std::to_string(every) + "; stack '" + spec.name + "' has " +
                       std::to_string(spec.count) + " blocks, so expected 1 to " + std::to_string(spec.count));
    if (count < 0) throw plan_error("InsertBlocks: .count = " + std::to_string(count) + "; expected at least 1");
    for (auto i : at)
      if (i < 0 || i > spec.count)
        throw plan_error("InsertBlocks: position " + std::to_string(i) + " does not exist; stack '" + spec.name +
                         "' has " + std::to_string(spec.count) + " blocks");
    if (!at.empty()) return at;
    std::vector<std::int64_t> p;
    if (every > 0)
      for (std::int64_t i = every; i <= spec.count; i += every) p.push_back(i);
    for (std::int64_t k = 0; k < count; ++k)
      p.push_back(placement == Placement::suffix ? spec.count
                  : placement == Placement::prefix
                      ? spec.rules.first_insertion
                      : std::max(spec.rules.first_insertion, spec.count * (k + 1) / count));
    return p;
  }
};

}  // namespace modelgrow::inline v0
