// SPDX-License-Identifier: MIT
// The proof after: reads the bytes of the old and the grown file and recomputes, tensor by tensor, what growth
// promises. It shares nothing with the code that wrote the file but the list of verbs and the family's axes.
#pragma once
#include <string>
#include <vector>

#include <modelgrow/checkpoint/not_finite.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/outputs.hpp>

namespace modelgrow::inline v0 {

/// What was found about one tensor of the grown file.
struct TensorCheck {
  std::string name;
  std::string rule;     // "W' E_in = E_out W", "zero", "same bytes", ...
  double residual = 0;  // largest difference, relative to the largest value of the old tensor
};

/// What was found about a file.
struct FileCheck {
  std::vector<TensorCheck> tensors;
  double max_residual = 0;
  std::string worst;                  // name of the tensor with the largest residual
  std::vector<NotFinite> not_finite;  // old tensors, and grown ones whose source is sound
};

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
