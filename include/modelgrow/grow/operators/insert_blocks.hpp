// SPDX-License-Identifier: MIT
// InsertBlocks (Net2Deeper, LLaMA-Pro, ModelGrow): new blocks are copies of their predecessors whose residual writers,
// weights and biases, are zero, so that each starts as the identity; or copies and random blocks that are open from the
// first step on (G_stack, progressive training), which is approximate.
#pragma once
#include <array>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// Where `count` new blocks go: spread evenly, in front, or at the end (ModelGrow found `insert` best); `stack` puts
/// the stack behind itself, as often as `count` asks (G_stack, Du et al. 2024).
enum class Placement { insert, prefix, suffix, stack };
constexpr auto words_of(Placement) { return std::array<std::string_view, 4>{"insert", "prefix", "suffix", "stack"}; }

/// Give exactly one of `every`, `at` and `count`.
struct InsertBlocks {
  static constexpr std::string_view name = "InsertBlocks";
  static constexpr std::string_view summary = "deeper: new blocks, the identity at first (one of every, at, count)";
  std::string stack = {};
  std::int64_t every = 0;
  std::vector<std::int64_t> at = {};
  std::int64_t count = 0;
  Placement placement = Placement::insert;
  BlockStart start = BlockStart::closed;
  std::uint64_t seed = 0;

  static void describe(auto& self, auto& v) {
    v("stack", self.stack, "may stay empty where there is only one; a+b for two that grow together");
    v("every", self.every, "one new block after every so many old ones");
    v("at", self.at, "before these old blocks; the number of old blocks means at the end");
    v("count", self.count, "so many new blocks, by placement");
    v("placement", self.placement, "where count blocks go: spread evenly, in front, at the end, the stack once more");
    v("start", self.start, "copies that are closed; or, approximate: as they are, with random closing weights, random");
    v("seed", self.seed, "of random weights");
  }

  /// Throws plan_error for a position the family forbids or that does not exist, for one of two stacks that have to
  /// grow together, and for a start that is approximate where that was not allowed.
  void apply(Plan& plan) const;

 private:
  static std::string stacks_of(const Plan& plan);
  static std::string only_stack(const Plan& plan);
  /// "a", or "a+b" for two that grow together.
  std::string named_stack(const Plan& plan) const;
  std::vector<Insert::Place> places_in(const StackSpec& spec) const;
  std::vector<std::int64_t> positions_in(const StackSpec& spec) const;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/operators/insert_blocks_inl.hpp>
#endif
