// SPDX-License-Identifier: MIT
// The size of a tensor in one number.
#pragma once
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/core/tensor.hpp>

namespace modelgrow::testing {

template <class T>
double sum_of_squares(const Tensor<T, Cpu>& t) {
  double sum = 0;
  Backend<Cpu>::sum_of_squares(t.size(), t.data(), &sum);
  return sum;
}

}  // namespace modelgrow::testing
