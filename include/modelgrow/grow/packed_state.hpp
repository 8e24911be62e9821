// SPDX-License-Identifier: MIT
// State in few bits through a plan: its numbers are made of what the old codes stand for, proven as others are, and
// packed again. What was written is held against that, byte by byte.
#pragma once
#include <map>

#include <modelgrow/checkpoint/stored_optimizer.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/certificate.hpp>
#include <modelgrow/grow/outputs.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// What is claimed of the trajectory because moments are rounded again.
Certificate rounding_of(const StoredOptimizer& old);

namespace detail {

/// The tensors of a written state, where what is packed is what the plan makes of the old one: such numbers, packed
/// like the old ones, are the very bytes of the file. Keeps references to the plan, `old` and the outputs. Throws
/// check_error: an entry that is packed and should not be, or the other way, and codes, scales or maps that differ.
std::vector<JoinedTensor> made_again(const Plan& plan, const TensorSet& old, const std::vector<Output>& outputs,
                                     const StoredOptimizer& before, const StoredOptimizer& written,
                                     const std::string& where);

}  // namespace detail
}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/packed_state_inl.hpp>
#endif
