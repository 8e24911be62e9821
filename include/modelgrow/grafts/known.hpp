// SPDX-License-Identifier: MIT
// The grafts that the library has, as operators that can be called by name.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/operator_call.hpp>

namespace modelgrow::inline v0 {

/// The grafts as operators, beside known_operators().
const std::vector<OperatorKind>& known_grafts();

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grafts/known_inl.hpp>
#endif
