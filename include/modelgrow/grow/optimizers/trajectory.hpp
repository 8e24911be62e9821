// SPDX-License-Identifier: MIT
// What is known about the trajectory of a growth under an optimizer: whether further steps of the grown model are those
// of the small one.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/optimizers/all.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// What the trainer does with the norm of the whole gradient, which growth changes.
enum class NormClipping { none, unknown, active };

/// The claim about state of this optimizer, with the factors of step_factors() and new parameters at rest. Where the
/// norm is clipped, nobody follows a trajectory; where that is not known, it is a condition.
Certificate trajectory_of(const Plan& plan, Optimizer optimizer, NormClipping clipping = NormClipping::unknown);

/// The claim about a file of this library with state of these: that of AdamW is our own trainer's, which says itself
/// what it clips.
Certificate trajectory_of(const Plan& plan, const std::vector<Optimizer>& optimizers);

/// Whether there are trained parameters that are not made from old ones.
bool adds_parameters(const Plan& plan);

/// What people should know about new parameters under this optimizer; empty: nothing beyond the certificate.
std::string newcomers_of(const Plan& plan, Optimizer optimizer);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/optimizers/trajectory_inl.hpp>
#endif
