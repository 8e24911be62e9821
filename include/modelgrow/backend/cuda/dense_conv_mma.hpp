// SPDX-License-Identifier: MIT
// Dense convolution over frames in bf16 on matrix units (mma.sync, sm_80 and later) as one product whose inner axis is
// that of every tap, one after the other. The rows of x under a tap are those of other frames, zeros outside of the
// clip, and come in tiles, one ahead of the arithmetic; nothing is unfolded.
#pragma once
#include <modelgrow/backend/cuda/fragments.hpp>
#include <modelgrow/backend/cuda/stream_tiles.hpp>
#include <modelgrow/backend/cuda/values.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// Forward, y from x; transposed, dx from dy.
enum class ConvDirection { forward = 1, transposed = -1 };

/// y[token, column] = b[column] + the sum over taps and the inner axis of x[token + shift, inner] times
/// w[tap, column, inner], or transposed w[tap, inner, column]; a block for a tile, 64 x 32 of it for a warp.
template <ConvDirection direction>
struct DenseConvMma {
  static constexpr bool forward = direction == ConvDirection::forward;
  static constexpr int tile_rows = 128, tile_columns = 128, depth = 64, chunk = Chunk<bf16>::values;
  static constexpr int warp_rows = 64, warp_columns = 32, warps = 8, threads = warps * warp_size, resident_blocks = 2;
  // Strides are odd numbers of chunks: eight rows lie in different banks.
  static constexpr int stride = depth + chunk, own_stride = warp_columns + chunk;
  static constexpr int w_rows = forward ? tile_columns : depth, w_columns = forward ? depth : tile_columns;
  static constexpr int w_stride = w_columns + chunk;
  struct Stage {
    alignas(16) bf16 at[tile_rows * stride + w_rows * w_stride];
    MODELGROW_DEVICE bf16* x(int row = 0) { return at + row * stride; }
    MODELGROW_DEVICE bf16* w(int row = 0) { return at + tile_rows * stride + row * w_stride; }
  };
  struct Shared {
    Stage stages[2];
  };
  static_assert(sizeof(Stage) >= sizeof(bf16) * warps * warp_rows / 2 * own_stride);
  Index tokens, space;
  int frames, taps, first_tap, inner, columns;  // inner and columns are multiples of a chunk
  const bf16 *x, *w, *b;
  bf16* y;
  MODELGROW_HOST_DEVICE Index column_tiles() const { return ceil_div(columns, tile_columns); }
  MODELGROW_HOST_DEVICE Index blocks() const { return ceil_div(tokens, tile_rows) * column_tiles(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index work = dev.block(); work < blocks(); work += dev.blocks()) {
      tile(dev, shared, work / column_tiles() * tile_rows, int(work % column_tiles()) * tile_columns);
      dev.sync();
    }
  }

 private:
  static constexpr int x_copies = tile_rows * depth / chunk / threads, x_rows_at_once = threads * chunk / depth;
  static constexpr int w_copies = w_rows * w_columns / chunk / threads, w_rows_at_once = threads * chunk / w_columns;
  static constexpr int row_tiles = warp_rows / 16, column_pairs = warp_columns / 16;
  static constexpr int no_frame = std::numeric_limits<int>::min() / 2;  // has no neighbours either
  struct Sums {
    FragmentC at[row_tiles][2 * column_pairs];
  };

  template <class Dev>
  MODELGROW_DEVICE void tile(Dev dev, Shared& shared, Index first_row, int first_column) const {
    const int inner_steps = int(ceil_div(inner, depth)), steps = taps * inner_steps;
    int frame[x_copies];  // of the rows that this thread copies
    for (int i = 0; i < x_copies; ++i) {
      const Index row = first_row + int(dev.thread()) * chunk / depth + i * x_rows_at_once;
      frame[i] = row < tokens ? int(row / space % frames) : no_frame;
    }
    const auto fetch = [&](Stage& stage, int step) {
      const int tap = step / inner_steps, first_inner = step % inner_steps * depth;
      fetch_x(dev, stage, first_row, frame, int(direction) * (first_tap + tap), first_inner);
      fetch_w(dev, stage, tap, first_column, first_inner);
    };
    fetch(shared.stages[0], 0);
    dev.commit_copies();
    Sums sums{};
    stream_tiles(dev, shared.stages, steps, fetch, [&](Stage& stage, int) { take(dev, stage, sums); });
    finish(dev, shared.stages[steps % 2], sums, first_row, first_column);
  }
  template <class Dev>
  MODELGROW_DEVICE void fetch_x(Dev dev, Stage& stage, Index first_row, const int (&frame)[x_copies], int shift,
                                int first_inner) const {
    const int c = int(dev.thread()) * chunk % depth;
    for (int i = 0; i < x_copies; ++i) {
      const int r = int(dev.thread()) * chunk / depth + i * x_rows_at_once;
      const bool inside = unsigned(frame[i] + shift) < unsigned(frames) && first_inner + c < inner;
      const Index from = inside ? (first_row + r + shift * space) * inner + first_inner + c : 0;
      dev.copy_async(stage.x(r) + c, x + from, inside ? 16 : 0);
    }
  }
  template <class Dev>
  MODELGROW_DEVICE void fetch_w(Dev dev, Stage& stage, int tap, int first_column, int first_inner) const {
    const int first = forward ? first_column : first_inner, along = forward ? first_inner : first_column;
    const int rows = forward ? columns : inner, width = forward ? inner : columns;
    const int c = int(dev.thread()) * chunk % w_columns;
    for (int i = 0; i < w_copies; ++i) {
      const int r = int(dev.thread()) * chunk / w_columns + i * w_rows_at_once;
      const bool inside = first + r < rows && along + c < width;
      const Index from = inside ? (Index(tap) * rows + first + r) * width + along + c : 0;
      dev.copy_async(stage.w(r) + c, w + from, inside ? 16 : 0);
    }
  }
  template <class Dev>
  MODELGROW_DEVICE void take(Dev dev, Stage& stage, Sums& sums) const {
    const bf16* rows = stage.x(warp_row(dev));
    for (int k = 0; k < depth; k += 16) {
      FragmentA<16> left[row_tiles];
      for (int m = 0; m < row_tiles; ++m) load_rows(dev, left[m], rows + 16 * m * stride + k, stride);
      for (int n = 0; n < column_pairs; ++n) {
        FragmentB<16> right[2];
        const int column = warp_column(dev) + 16 * n;
        if constexpr (forward)
          load_columns(dev, right, stage.w(column) + k, w_stride);
        else
          load_rows(dev, right, stage.w(k) + column, w_stride);
        for (int m = 0; m < row_tiles; ++m)
          for (int i = 0; i < 2; ++i) dev.mma(sums.at[m][2 * n + i], left[m], right[i]);
      }
    }
  }
  /// Stores the sums of a warp by way of a part of the stage that is its own, half of its rows at a time.
  template <class Dev>
  MODELGROW_DEVICE void finish(Dev dev, Stage& stage, const Sums& sums, Index first_row, int first_column) const {
    constexpr int rows = warp_rows / 2, chunks = warp_columns / chunk;
    bf16* const own = stage.at + warp(dev) * rows * own_stride;
    const int first = first_column + warp_column(dev);
    for (int half = 0; half < 2; ++half) {
      if (half > 0) dev.sync_warp();
      for (int m = 0; m < row_tiles / 2; ++m)
        for (int n = 0; n < 2 * column_pairs; ++n) {
          const FragmentC& c = sums.at[half * row_tiles / 2 + m][n];
          const int column = 8 * n + FragmentC::column(lane(dev), 0);
          const bool biased = b && first + column < columns;
          const float left = biased ? dev.widen(b[first + column]) : 0.0f;
          const float right = biased ? dev.widen(b[first + column + 1]) : 0.0f;
          for (int r = 0; r < FragmentC::registers; r += 2)
            dev.store(own + (16 * m + FragmentC::row(lane(dev), r)) * own_stride + column,
                      dev.pack(c.at[r] + left, c.at[r + 1] + right));
        }
      dev.sync_warp();
      for (int i = lane(dev); i < rows * chunks; i += warp_size) {
        const int r = i / chunks, c = i % chunks * chunk;
        const Index row = first_row + warp_row(dev) + half * rows + r;
        if (row < tokens && first + c < columns)
          dev.store_at_once(y + row * columns + first + c, dev.template load<Packed<bf16>>(own + r * own_stride + c));
      }
    }
  }
  template <class Dev>
  MODELGROW_DEVICE static int warp_row(Dev dev) {
    return warp(dev) % 2 * warp_rows;
  }
  template <class Dev>
  MODELGROW_DEVICE static int warp_column(Dev dev) {
    return warp(dev) / 2 * warp_columns;
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
