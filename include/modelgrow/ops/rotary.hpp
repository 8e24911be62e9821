// SPDX-License-Identifier: MIT
// Rotary positions (Su et al. 2021): every pair of values of a head turns by position times frequency. Forward only.
#pragma once
#include <cmath>
#include <span>

#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// Cosines and sines [positions, head_dim / 2].
template <Device D>
struct RotaryTable {
  Tensor<float, D> cosines, sines;
};

/// Angles of positions 0 to n - 1 at theta^(-2j / head_dim) / factors[j], in float32 as upstream computes them; no
/// factors means ones. Throws shape_error.
template <Device D>
RotaryTable<D> rotary_table(std::int64_t n, std::int64_t head_dim, double theta, std::span<const float> factors) {
  const std::int64_t half = head_dim / 2;
  expect("rotary_table", head_dim % 2 == 0 && (factors.empty() || std::int64_t(factors.size()) == half), [&] {
    return "the heads have " + std::to_string(head_dim) + " values, there are " + std::to_string(factors.size()) +
           " factors; expected an even number, and a factor for every pair";
  });
  Tensor<float, Cpu> cosines({n, half}), sines({n, half});
  for (std::int64_t j = 0; j < half; ++j) {
    const float plain = 1.0f / std::pow(float(theta), float(2 * j) / float(head_dim));
    const float frequency = factors.empty() ? plain : plain / factors[std::size_t(j)];
    for (std::int64_t i = 0; i < n; ++i) {
      cosines.data()[i * half + j] = std::cos(float(i) * frequency);
      sines.data()[i * half + j] = std::sin(float(i) * frequency);
    }
  }
  return {.cosines = to_device<D>(cosines), .sines = to_device<D>(sines)};
}

/// Turns x [n, heads, head_dim] in place; positions [n] must lie in the table: they are not checked here. Throws
/// shape_error.
template <HasInference D>
void rotate(const Tensor<float, D>& x, RotaryPairs pairs, const Tensor<std::int32_t, D>& positions,
            const RotaryTable<D>& table) {
  expect_shape("rotate", "the input", x.shape(), {positions.size(), any_size, 2 * table.cosines.dim(1)},
               "[tokens, heads, head_dim] with a position for each token and the head_dim of the table");
  Backend<D>::rotate(x.dim(0), x.dim(1), x.dim(2), pairs, positions.data(), table.cosines.data(), table.sines.data(),
                     x.data());
}

}  // namespace modelgrow::inline v0
