// SPDX-License-Identifier: MIT
// What collective operations make a rank send, counted where they are called: a fact of the operation, not of the
// library that carries it out. Cost models count with the same functions.
#pragma once
#include <bit>
#include <cstdint>

#include <modelgrow/dist/cuts.hpp>

namespace modelgrow::inline v0 {

/// What one rank has sent to others.
struct Traffic {
  std::int64_t calls = 0;     // of collective operations
  std::int64_t messages = 0;  // to one other rank each; none where there is nothing to say
  std::int64_t bytes = 0;

  Traffic& operator+=(const Traffic& other) {
    calls += other.calls;
    messages += other.messages;
    bytes += other.bytes;
    return *this;
  }
  bool operator==(const Traffic&) const = default;

  /// Every part but one's own goes to its rank.
  static Traffic of_reduce_scatter(const Cuts& cuts, int rank, std::int64_t element) {
    return to_each(cuts, rank, element);
  }
  static Traffic of_all_to_all(const Cuts& sent, int rank, std::int64_t element) {
    return to_each(sent, rank, element);
  }
  /// One's own part goes to every other rank.
  static Traffic of_all_gather(const Cuts& cuts, int rank, std::int64_t element) {
    const std::int64_t others = cuts.size(rank) > 0 ? cuts.ranks() - 1 : 0;
    return {.calls = 1, .messages = others, .bytes = others * cuts.size(rank) * element};
  }
  /// A reduce_scatter in even parts, and an all_gather of them.
  static Traffic of_all_reduce(std::int64_t size, int ranks, int rank, std::int64_t element) {
    const Cuts cuts = Cuts::even(size, ranks);
    Traffic t = of_reduce_scatter(cuts, rank, element);
    t += of_all_gather(cuts, rank, element);
    t.calls = 1;
    return t;
  }
  /// The root sends to every other rank.
  static Traffic of_broadcast(std::int64_t size, int ranks, int rank, int root, std::int64_t element) {
    const std::int64_t others = rank == root && size > 0 ? ranks - 1 : 0;
    return {.calls = 1, .messages = others, .bytes = others * size * element};
  }
  /// A round for each doubling (Hensgen, Finkel & Manber 1988).
  static Traffic of_barrier(int ranks) {
    return {.calls = 1, .messages = std::bit_width(unsigned(ranks) - 1), .bytes = 0};
  }

 private:
  static Traffic to_each(const Cuts& cuts, int rank, std::int64_t element) {
    Traffic t{.calls = 1};
    for (int r = 0; r < cuts.ranks(); ++r) {
      if (r == rank || cuts.size(r) == 0) continue;
      ++t.messages;
      t.bytes += cuts.size(r) * element;
    }
    return t;
  }
};

}  // namespace modelgrow::inline v0
