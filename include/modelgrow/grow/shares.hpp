// SPDX-License-Identifier: MIT
// Which rank has which of the tensors of some files: whole tensors, as many bytes for one as for another, neighbours
// for the same.
#pragma once
#include <algorithm>
#include <cstdint>
#include <numeric>
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

}  // namespace modelgrow::inline v0::detail
