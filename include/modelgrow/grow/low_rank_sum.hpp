// SPDX-License-Identifier: MIT
// W + scale * B A, rows at a time, in the arithmetic of peft (tuners/lora/layer.py on a CPU, adapters cast to float):
// the product is rounded, scaled and rounded, added and rounded to the type of W.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <modelgrow/checkpoint/mapped_tensors.hpp>

namespace modelgrow::inline v0::detail {

/// What was seen on the way.
struct LowRankChange {
  double change = 0, largest = 0;  // largest magnitudes: of what was added, and of what there was
  bool finite = true;              // no number stopped being one
  void add(const LowRankChange& other) {
    change = std::fmax(change, other.change);
    largest = std::fmax(largest, other.largest);
    finite &= other.finite;
  }
};

/// Rows [begin, end) of a weight [rows, columns], in parallel, with factors A [rank, columns] and B [rows, rank].
/// `weight` and `to` begin with row `begin`; neither need be aligned, and they may be the same. Throws format_error for
/// types without arithmetic.
LowRankChange add_low_rank(DType type, const std::byte* weight, std::int64_t begin, std::int64_t end,
                           std::int64_t columns, const TensorView& a, const TensorView& b, double scale, std::byte* to);

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/low_rank_sum_inl.hpp>
#endif
