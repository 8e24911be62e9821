// SPDX-License-Identifier: MIT
// How the two factors of a low-rank adapter follow the weight that they adapt. A recipe makes W' = R W C: R copies and
// scales rows, C copies columns and divides them. R (W + s B A) C = W' + s (R B) (A C), so B takes the rows of the
// recipe and A its columns, and the adapted model grows as the model does. Noise on the shares of copies adds up to
// nothing in A C as it does in W C.
#pragma once
#include <memory>

#include <modelgrow/grow/plan.hpp>
#include <modelgrow/grow/tensor_proof.hpp>

namespace modelgrow::inline v0::detail {

/// What reads, A [rank, in, ..], and what writes, B [out, rank, 1, ..].
enum class LowRankFactor { reads, writes };

/// The axes of a factor, from those of the weight.
inline Axes factor_axes(Axes axes, LowRankFactor which, std::int64_t rank) {
  if (which == LowRankFactor::reads) {
    axes[0] = fixed(rank);
    return axes;
  }
  for (std::size_t a = 1; a < axes.size(); ++a) axes[a] = fixed(1);
  axes[1] = fixed(rank);
  return axes;
}

/// The recipe of a factor, from that of the weight, whose axes are `grown` now.
inline Recipe factor_recipe(Recipe r, const Axes& grown, LowRankFactor which, std::int64_t rank) {
  r.source_axes = factor_axes(std::move(r.source_axes), which, rank);
  r.shape = shape_of(factor_axes(grown, which, rank));
  r.gates.clear();
  for (auto& touch : r.touches) touch.key += which == LowRankFactor::reads ? ".lora_A" : ".lora_B";
  return r;
}

/// Elements of a factor, as bytes of the type of its source.
std::vector<std::byte> make_factor(const Recipe& recipe, const TensorView& source);

/// What is promised of a factor, from the verbs of the plan alone: copies of columns add up, copies of rows are equal.
/// `before` and `now` are the weight in both schemas. Errors begin with `where`. Keeps a reference to the source.
std::unique_ptr<TensorProof> factor_proof(std::string where, NamedShape grown, const TensorView& source,
                                          const Plan& plan, const ParamInfo& before, const ParamInfo& now,
                                          LowRankFactor which, std::int64_t rank);

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/low_rank_inl.hpp>
#endif
