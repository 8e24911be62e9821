// SPDX-License-Identifier: MIT
// The sizes shared by operations that apply modulation vectors to tokens, and their checks.
#pragma once
#include <algorithm>

#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// Sizes of x [B, .., C] modulated by the given slots of m [B, K, C]; throws shape_error if they do not fit.
template <class T, Device D>
ModulateSize modulate_size(std::string_view op, const Var<T, D>& x, const Var<T, D>& m,
                           std::initializer_list<int> slots) {
  const Shape& shape = x.shape();
  expect(op, shape.rank() >= 2, [&] {
    return "the input is " + to_string(shape) + "; expected [batch, .., channels]: add a batch dimension";
  });
  expect_shape(op, "the modulation", m.shape(), {shape[0], any_size, shape.back()},
               "it needs the batch and the channels of the input " + to_string(shape));
  for (int slot : slots)
    expect(op, slot >= 0 && slot < m.dim(1), [&] {
      return "slot " + std::to_string(slot) + " is not in the modulation " + to_string(m.shape()) + "; expected 0 to " +
             std::to_string(m.dim(1) - 1) + ": choose another slot or a larger table";
    });
  const std::int64_t row = std::max<std::int64_t>(1, shape[0] * shape.back());
  return {.batch = shape[0], .tokens = x.value().size() / row, .channels = shape.back(), .slots = m.dim(1)};
}

}  // namespace modelgrow::inline v0
