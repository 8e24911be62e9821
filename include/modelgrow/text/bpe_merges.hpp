// SPDX-License-Identifier: MIT
// The merges of byte pair encoding: which neighbours become one token, and which of them first.
#pragma once
#include <algorithm>
#include <queue>
#include <unordered_map>

#include <modelgrow/text/tokenizer.hpp>

namespace modelgrow::inline v0 {

/// One merge as a file has it; those of lower rank come first.
struct BpeMerge {
  std::string_view left, right;
  std::int32_t rank;
};

/// A token of a text that is being merged: a doubly linked list in an array, whose symbols are skipped once they were
/// merged into the one before.
struct BpeSymbol {
  std::int32_t id;
  std::int64_t previous, next;
  TextSpan span;
};

/// Pairs of ids that merge.
class BpeMerges {
 public:
  void add(std::int32_t left, std::int32_t right, std::int32_t rank, std::int32_t id) {
    merges_[key(left, right)] = Merge{.rank = rank, .id = id};
  }

  /// Lowest rank first, leftmost first among equals.
  void apply(std::vector<BpeSymbol>& symbols) const {
    const auto n = std::int64_t(symbols.size());
    std::priority_queue<Candidate> queue;
    const auto consider = [&](std::int64_t left) {
      if (left < 0) return;
      const std::int64_t right = symbols[std::size_t(left)].next;
      if (right >= n) return;
      const auto a = symbols[std::size_t(left)].id, b = symbols[std::size_t(right)].id;
      if (const auto it = merges_.find(key(a, b)); it != merges_.end())
        queue.push(Candidate{.rank = it->second.rank, .at = left, .left = a, .right = b});
    };
    for (std::int64_t i = 0; i + 1 < n; ++i) consider(i);
    while (!queue.empty()) {
      const Candidate c = queue.top();
      queue.pop();
      BpeSymbol& left = symbols[std::size_t(c.at)];
      if (left.id != c.left || left.next >= n || symbols[std::size_t(left.next)].id != c.right) continue;
      BpeSymbol& right = symbols[std::size_t(left.next)];
      left.id = merges_.find(key(c.left, c.right))->second.id;
      left.span.end = right.span.end;
      right.id = gone;
      left.next = right.next;
      if (left.next < n) symbols[std::size_t(left.next)].previous = c.at;
      consider(left.previous);
      consider(c.at);
    }
  }

 private:
  static constexpr std::int32_t gone = -1;
  struct Merge {
    std::int32_t rank, id;
  };
  /// A pair that could be merged when it was found; out of date once one of its symbols has changed.
  struct Candidate {
    std::int32_t rank;
    std::int64_t at;
    std::int32_t left, right;
    bool operator<(const Candidate& o) const { return std::pair(rank, at) > std::pair(o.rank, o.at); }
  };
  static std::uint64_t key(std::int32_t a, std::int32_t b) {
    return std::uint64_t(std::uint32_t(a)) << 32 | std::uint32_t(b);
  }
  std::unordered_map<std::uint64_t, Merge> merges_;
};

}  // namespace modelgrow::inline v0
