// SPDX-License-Identifier: MIT
// The proof after: reads the bytes of the old and the grown file and recomputes, tensor by tensor, what growth
// promises.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/promises.hpp>

namespace modelgrow::inline v0 {

/// Checks grown weights (or averages) against the old ones. Exact plans must leave no difference at all: the parts of a
/// weight add up to it in its own type. Throws check_error that names the tensor. For approximate plans residuals are
/// only reported.
FileCheck check_weights(const Plan& plan, const TensorSet& old, const TensorSet& grown);

/// Checks grown optimizer state: moments summed over the copies of a producer are the old ones (second moments by their
/// root) up to rounding, fresh state is zero, steps are kept. Throws check_error.
FileCheck check_optimizer(const Plan& plan, const TensorSet& old, const TensorSet& grown);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/file_check_inl.hpp>
#endif
