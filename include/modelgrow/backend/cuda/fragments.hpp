// SPDX-License-Identifier: MIT
// Fragments: the parts of a matrix that the 32 lanes of a warp hold for products of 16 x K by K x 8 in bf16 (K = 16 or
// 8, mma.sync.m16n8k16 and m16n8k8). Which lane and register hold which row and column is said here and nowhere else.
//
// A register of a factor holds two neighbours, the first in its low half.
#pragma once
#include <modelgrow/backend/cuda/kernel.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// The left factor, 16 x K: register r of a lane holds (row, column) and (row, column + 1).
template <int K>
struct FragmentA {
  static_assert(K == 8 || K == 16);
  static constexpr int rows = 16, columns = K, registers = K / 4;
  std::uint32_t at[registers];
  MODELGROW_HOST_DEVICE static constexpr int row(int lane, int r) { return lane / 4 + 8 * (r % 2); }
  MODELGROW_HOST_DEVICE static constexpr int column(int lane, int r) { return 2 * (lane % 4) + 8 * (r / 2); }
};

/// The right factor, K x 8: register r of a lane holds (row, column) and (row + 1, column).
template <int K>
struct FragmentB {
  static_assert(K == 8 || K == 16);
  static constexpr int rows = K, columns = 8, registers = K / 8;
  std::uint32_t at[registers];
  MODELGROW_HOST_DEVICE static constexpr int row(int lane, int r) { return 2 * (lane % 4) + 8 * r; }
  MODELGROW_HOST_DEVICE static constexpr int column(int lane, int) { return lane / 4; }
};

/// The sum, 16 x 8 in float: register r of a lane holds (row, column).
struct FragmentC {
  static constexpr int rows = 16, columns = 8, registers = 4;
  float at[registers];
  MODELGROW_HOST_DEVICE static constexpr int row(int lane, int r) { return lane / 4 + 8 * (r / 2); }
  MODELGROW_HOST_DEVICE static constexpr int column(int lane, int r) { return 2 * (lane % 4) + r % 2; }
};

// Loads from shared memory. `at` is where the fragment begins in a matrix of `stride` values a row; both are multiples
// of 8 values, of which 8 neighbours are 16 bytes. Strides of 8 times an odd number spread rows over all banks. Loads
// of fewer than four matrices leave the addresses of the last lanes unused, which so are what other loads need as well.

/// A fragment whose rows are rows in memory.
template <class Dev, int K>
MODELGROW_DEVICE void load_rows(Dev dev, FragmentA<K>& a, const bf16* at, int stride) {
  const int l = lane(dev);
  dev.load_matrix(a.at, at + l % 16 * stride + l / 16 * 8);
}
template <class Dev, int K>
MODELGROW_DEVICE void load_rows(Dev dev, FragmentB<K>& b, const bf16* at, int stride) {
  const int l = lane(dev);
  dev.load_matrix_transposed(b.at, at + l % 16 * stride + l / 16 * 8);
}
/// A fragment whose columns are rows in memory.
template <class Dev, int K>
MODELGROW_DEVICE void load_columns(Dev dev, FragmentB<K>& b, const bf16* at, int stride) {
  const int l = lane(dev);
  dev.load_matrix(b.at, at + l % 8 * stride + l / 8 * 8 % K);
}
/// Two fragments side by side, of 8 columns each, at once.
template <class Dev>
MODELGROW_DEVICE void load_rows(Dev dev, FragmentB<16> (&b)[2], const bf16* at, int stride) {
  const int l = lane(dev);
  std::uint32_t r[4];
  dev.load_matrix_transposed(r, at + l % 16 * stride + l / 16 * 8);
  b[0] = {{r[0], r[1]}};
  b[1] = {{r[2], r[3]}};
}
template <class Dev>
MODELGROW_DEVICE void load_columns(Dev dev, FragmentB<16> (&b)[2], const bf16* at, int stride) {
  const int l = lane(dev);
  std::uint32_t r[4];
  dev.load_matrix(r, at + (l / 16 * 8 + l % 8) * stride + l / 8 % 2 * 8);
  b[0] = {{r[0], r[1]}};
  b[1] = {{r[2], r[3]}};
}
template <class Dev>
MODELGROW_DEVICE void load_columns(Dev dev, FragmentB<8> (&b)[2], const bf16* at, int stride) {
  std::uint32_t r[2];
  dev.load_matrix(r, at + lane(dev) % 16 * stride);
  b[0] = {{r[0]}};
  b[1] = {{r[1]}};
}

/// Two neighbouring sums, rounded, as the left factor of the next product: what a lane holds stays in the lane.
template <class Dev>
MODELGROW_DEVICE FragmentA<16> as_left_factor(Dev dev, const FragmentC& left, const FragmentC& right) {
  return {{dev.pack(left.at[0], left.at[1]), dev.pack(left.at[2], left.at[3]), dev.pack(right.at[0], right.at[1]),
           dev.pack(right.at[2], right.at[3])}};
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
