// SPDX-License-Identifier: MIT
// Masked blocks (MSG, Yao et al. 2023): what new blocks do to the stream is multiplied by a weight that a schedule
// raises from 0 to 1, so that a growth by any blocks, random ones too, keeps the function at first.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/ops/interpolate.hpp>

namespace modelgrow::inline v0 {

/// A setting of a model in training, no part of what is saved: a model that is loaded has whole blocks. At weight 1, or
/// without blocks, nothing is computed that a model without it would not compute.
struct BlockMask {
  std::vector<std::int64_t> blocks = {};  // which are masked
  double weight = 1;                      // of their effect

  bool masks(std::int64_t block) const {
    return weight != 1 && std::find(blocks.begin(), blocks.end(), block) != blocks.end();
  }
  /// The stream behind a block: before it x, and what the block makes of x.
  template <class T, Device D>
  Var<T, D> operator()(Tape<T, D>& tape, std::int64_t block, const Var<T, D>& x, const Var<T, D>& made) const {
    return masks(block) ? interpolate(tape, x, made, weight) : made;
  }
  /// The mask of a model that is built again with so many blocks. Throws plan_error when its blocks would get other
  /// numbers in the middle of their annealing.
  const BlockMask& rebuilt(std::int64_t before, std::int64_t after) const {
    if (before != after && weight != 1 && !blocks.empty())
      throw plan_error("blocks are still masked with weight " + std::to_string(weight) +
                       ", and more blocks would give them other numbers: anneal the mask to 1 first");
    return *this;
  }
};

}  // namespace modelgrow::inline v0
