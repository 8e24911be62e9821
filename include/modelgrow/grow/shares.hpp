// SPDX-License-Identifier: MIT
// Which rank makes which of the tensors of some files: whole tensors, as many bytes for one as for another, neighbours
// for the same; and which ranks therefore make a window of a file.
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace modelgrow::inline v0::detail {

/// The rank of each tensor, from its bytes, in the order of the files: a tensor belongs to the rank in whose part of
/// all bytes its middle lies, so that a rank has at most one tensor more than its part.
inline std::vector<int> ranks_of(const std::vector<std::uint64_t>& bytes, int ranks) {
  const auto total = std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0});
  std::vector<int> all;
  std::uint64_t before = 0;
  for (const auto n : bytes) {
    const auto rank = total == 0 ? 0.0 : (double(before) + double(n) / 2) / double(total) * ranks;
    all.push_back(std::min(int(rank), ranks - 1));
    before += n;
  }
  return all;
}

/// Ranks from `first` to `last`.
struct RankRange {
  int first = 0, last = 0;
  bool has(int rank) const { return first <= rank && rank <= last; }
};
/// Those that have bytes in [at, end) of a file whose tensors begin at `begin`, which ends with the end of the last,
/// and belong to the ranks `rank_of`, which rise; rank 0 where there is no tensor.
inline RankRange ranks_in(const std::vector<std::uint64_t>& begin, std::span<const int> rank_of, std::uint64_t at,
                          std::uint64_t end) {
  const auto after = std::ranges::lower_bound(begin, end) - begin.begin();
  if (after == 0) return {};
  const auto first = std::max<std::ptrdiff_t>(std::ranges::upper_bound(begin, at) - begin.begin(), 1) - 1;
  return {.first = rank_of[std::size_t(first)], .last = rank_of[std::size_t(after - 1)]};
}

}  // namespace modelgrow::inline v0::detail
