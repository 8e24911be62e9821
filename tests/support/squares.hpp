// SPDX-License-Identifier: MIT
// The size of a tensor in one number.
#pragma once
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/core/tensor.hpp>

#include <span>

namespace modelgrow::testing {

template <class T>
double sum_of_squares(const Tensor<T, Cpu>& t) {
  double sum = 0;
  const std::span<const T> values(t.data(), std::size_t(t.size()));
  Backend<Cpu>::sum_of_squares<T>({&values, 1}, &sum);
  return sum;
}

}  // namespace modelgrow::testing
