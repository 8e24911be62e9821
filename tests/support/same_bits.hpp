// SPDX-License-Identifier: MIT
// Whether tensors hold the same bits.
#pragma once
#include <modelgrow/core/tensor.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

namespace modelgrow::testing {

/// Of one shape, and every bit the same; tensors without memory are the same as each other.
template <class T>
bool same_bits(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}
template <class T>
bool same_bits(const std::vector<Tensor<T, Cpu>>& a, const std::vector<Tensor<T, Cpu>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& one, const auto& other) { return same_bits(one, other); });
}

}  // namespace modelgrow::testing
