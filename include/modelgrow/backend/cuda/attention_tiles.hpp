// SPDX-License-Identifier: MIT
// What the three attention kernels share: a block holds a few rows (queries, or keys in the backward pass) in shared
// memory and streams tiles of 32 columns past them; a warp owns 4 rows, and a lane one column of the tile.
#pragma once
#include <modelgrow/backend/cuda/kernel.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// Sizes for heads of up to `Dim` channels. Channels are padded by one so that 32 lanes read 32 banks.
template <class T, int Dim>
struct AttentionTiles {
  using A = Stat<T>;
  static constexpr int warps = Dim > 128 || sizeof(A) == 8 ? 2 : 4;
  static constexpr int threads = warps * warp_size;
  static constexpr int warp_rows = 4;
  static constexpr int rows = warps * warp_rows;
  static constexpr int columns = warp_size;
  static constexpr int slices = Dim / warp_size;  // channels that a lane accumulates

  struct Rows {
    A at[rows][Dim + 1];
  };
  struct Columns {
    A at[columns][Dim + 1];
  };
  struct Weights {  // one value for each pair of a row and a column
    A at[rows][columns];
  };

  /// tile[r] = source[first + r] for `count` rows of `width` channels; rows from `end` on become zero.
  template <class Dev, class Tile>
  MODELGROW_DEVICE static void load(Dev dev, Tile& tile, int count, const T* source, Index stride, Index first,
                                    Index end, int width) {
    for (int i = int(dev.thread()); i < count * width; i += threads) {
      const int r = i / width, c = i % width;
      tile.at[r][c] = first + r < end ? dev.widen(source[(first + r) * stride + c]) : A(0);
    }
  }
  /// dots[r] = the product of this warp's row r and this lane's column.
  template <class Dev>
  MODELGROW_DEVICE static void multiply(Dev dev, const Rows& a, const Columns& b, int width, A (&dots)[warp_rows]) {
    const int first = warp(dev) * warp_rows, column = lane(dev);
    for (int r = 0; r < warp_rows; ++r) dots[r] = 0;
    for (int c = 0; c < width; ++c) {
      const A value = b.at[column][c];
      for (int r = 0; r < warp_rows; ++r) dots[r] += a.at[first + r][c] * value;
    }
  }
  /// sums[r] += sum_j weights[r][j] tile[j], for this warp's rows and this lane's channels.
  template <class Dev>
  MODELGROW_DEVICE static void accumulate(Dev dev, const Weights& weights, const Columns& tile, int width,
                                          A (&sums)[warp_rows][slices]) {
    const int first = warp(dev) * warp_rows;
    for (int j = 0; j < columns; ++j)
      for (int e = 0; e < slices; ++e) {
        const int c = e * warp_size + lane(dev);
        if (c >= width) continue;
        const A value = tile.at[j][c];
        for (int r = 0; r < warp_rows; ++r) sums[r][e] += weights.at[first + r][j] * value;
      }
  }
  /// target[first + r] = factor[r] * sums[r] for this warp's rows before `end`.
  template <class Dev>
  MODELGROW_DEVICE static void store(Dev dev, const A (&sums)[warp_rows][slices], const A (&factor)[warp_rows],
                                     T* target, Index stride, Index first, Index end, int width) {
    for (int r = 0; r < warp_rows; ++r) {
      const Index row = first + warp(dev) * warp_rows + r;
      if (row >= end) continue;
      for (int e = 0; e < slices; ++e) {
        const int c = e * warp_size + lane(dev);
        if (c < width) target[row * stride + c] = dev.template narrow<T>(factor[r] * sums[r][e]);
      }
    }
  }
};

/// Where one problem (batch entry, group, head) lies, found from its number.
struct AttentionProblem {
  Index batch, group, head, number;
  MODELGROW_DEVICE static AttentionProblem of(const AttentionSize& s, Index number) {
    return {number / (s.groups * s.heads), number / s.heads % s.groups, number % s.heads, number};
  }
  MODELGROW_DEVICE Index offset(const AttentionSize& s, const AttentionSize::Strides& strides) const {
    return batch * strides.batch + group * strides.group + head * s.head_dim;
  }
  MODELGROW_DEVICE Index valid_keys(const AttentionSize& s, const std::int32_t* lengths) const {
    return valid_tokens(lengths, batch, s.keys);
  }
};
MODELGROW_HOST_DEVICE Index attention_problems(const AttentionSize& s) { return s.batch * s.groups * s.heads; }

}  // namespace kernels
}  // namespace modelgrow::inline v0
