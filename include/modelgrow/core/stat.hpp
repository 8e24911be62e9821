// SPDX-License-Identifier: MIT
// The type of sums over values that are stored in few bits.
#pragma once
#include <concepts>
#include <type_traits>

namespace modelgrow::inline v0 {

/// Type of what is summed or kept about values of type T (gradients of parameters, optimizer moments, means, softmax
/// denominators): 16-bit storage keeps it in float.
template <class T>
using Stat = std::conditional_t<std::same_as<T, double>, double, float>;

}  // namespace modelgrow::inline v0
