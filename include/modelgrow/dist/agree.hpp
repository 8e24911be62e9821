// SPDX-License-Identifier: MIT
// Ranks that came with different work are told so before they compute.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/dist/sum_over.hpp>

namespace modelgrow::inline v0 {

/// Throws communication_error on every rank, naming the ranks whose value is not that of rank 0; `what` has that value
/// ("the weights of the model").
template <Device D, class C>
requires Communicator<C, D>
void require_agreement(C& ranks, std::string_view what, std::uint64_t value) {
  const std::size_t n = std::size_t(ranks.size()), here = std::size_t(ranks.rank());
  std::vector<double> halves(2 * n);  // 32 bits each, which a double holds exactly
  halves[2 * here] = double(value >> 32);
  halves[2 * here + 1] = double(value & 0xffffffffu);
  sum_over<D>(ranks, halves);
  std::string others;
  for (std::size_t r = 1; r < n; ++r)
    if (halves[2 * r] != halves[0] || halves[2 * r + 1] != halves[1])
      others += (others.empty() ? "" : ", ") + std::to_string(r);
  if (!others.empty())
    throw communication_error(
        std::string(what) + " of rank " + others +
        " differ from those of rank 0: start every rank with the same program, options and files");
}

}  // namespace modelgrow::inline v0
