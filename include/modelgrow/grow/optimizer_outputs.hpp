// SPDX-License-Identifier: MIT
// Lists the tensors that a plan makes out of optimizer state, by the rules of grow/optimizers/.
#pragma once
#include <modelgrow/grow/optimizer_state.hpp>
#include <modelgrow/grow/outputs.hpp>

namespace modelgrow::inline v0 {

/// The multipliers that an optimizer file holds for a parameter of this shape. Throws format_error.
Multipliers read_multipliers(const TensorSet& set, std::string_view parameter, const Shape& shape);

/// The grown optimizer state: moments by the transposed rule, master weights as weights, steps, factors on rate,
/// epsilon and decay. Parameters without state (frozen ones) stay without; fresh ones start with zero moments at step
/// 0. Factors that are being annealed go on to be, together with those that this growth makes. Throws format_error.
std::vector<Output> optimizer_outputs(const Plan& plan, const TensorSet& set);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/optimizer_outputs_inl.hpp>
#endif
