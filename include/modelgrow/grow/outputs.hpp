// SPDX-License-Identifier: MIT
// Lists the tensors that a plan makes out of a set of named tensors: weights or averaged weights.
#pragma once
#include <modelgrow/checkpoint/safetensors.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/output.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// What to do about a parameter of the schema that the set lacks: refuse (weights), or leave it out (averages).
enum class Absent { refuse, leave_out };

/// The grown weights (or averaged weights) and the tensors that pass through. Throws format_error.
std::vector<Output> weight_outputs(const Plan& plan, const TensorSet& set, Absent absent = Absent::refuse);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/outputs_inl.hpp>
#endif
