// SPDX-License-Identifier: MIT
// What a matrix product c = a b does besides, while its sums are still in registers: each saves a pass over memory.
// Values are float until they are stored; what is stored in 16 bits is rounded once.
#pragma once
#include <modelgrow/backend/backend.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// c = a b + bias[columns] in every row.
template <class T>
struct WithBias {
  const T* bias;
};

/// c = gelu(inner), the tanh form, with inner = a b + bias[columns] in every row, stored where it is wanted.
template <class T>
struct WithBiasGelu {
  const T* bias;
  T* inner /*?*/;
};

/// c = a b gelu'(inner), inner of the size of c.
template <class T>
struct WithGeluGradient {
  const T* inner;
};

/// sums[rows] = the sum of each row of a: the gradient of a bias, beside that of the weight, c.
template <class S>
struct WithRowSums {
  S* sums;
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
