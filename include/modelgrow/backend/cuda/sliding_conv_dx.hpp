// SPDX-License-Identifier: MIT
// The gradients of depthwise convolution over frames in one pass: dx, dw and db read x and dy once. The frames of dy
// that make dx at a frame are those whose products with x there are parts of dw, so the window slides over dy.
//
// A block has a part of the positions of some channels. Its sums are added in the order of its threads, those of the
// parts in the order of the parts, which the sizes alone determine.
#pragma once
#include <modelgrow/backend/cuda/sliding_conv.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// What blocks share out between them: tiles of channels, parts of positions.
struct ConvParts {
  static constexpr int rows = 16, columns = 8, threads = rows * columns;  // positions, and columns of channels, at once
  Index tiles, positions, part_positions;
  static ConvParts of(const ColumnSize& size) {
    constexpr Index enough_blocks = 2048;
    const Index tiles = ceil_div(size.channels, columns), positions = size.clips * size.space;
    const Index rounds = ceil_div(positions, rows), wanted = ceil_div(enough_blocks, greatest(tiles, Index(1)));
    return {
        .tiles = tiles, .positions = positions, .part_positions = greatest(Index(1), ceil_div(rounds, wanted)) * rows};
  }
  MODELGROW_HOST_DEVICE Index count() const { return ceil_div(positions, part_positions); }
};

/// dx, and partial[Taps + 1, parts, channels]: the parts of dw of every tap, then of db.
template <class T, int Taps>
struct SlidingConvDx {
  static constexpr int threads = ConvParts::threads, groups = Taps + 1;
  static constexpr int width = Chunk<T>::values, tile = ConvParts::columns * width;
  struct Shared {
    alignas(16) Stat<T> sums[ConvParts::rows][groups][tile];
  };
  ColumnSize size;
  ConvParts parts;
  const T *dy, *x, *w;  // no x: no dw
  T* dx;                // none: not wanted
  Stat<T>* partial;     // none: neither dw nor db
  MODELGROW_HOST_DEVICE Index blocks() const { return parts.count() * parts.tiles; }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    const int row = int(dev.thread()) / ConvParts::columns, column = int(dev.thread()) % ConvParts::columns;
    for (Index work = dev.block(); work < blocks(); work += dev.blocks()) {
      const Index part = work / parts.tiles;
      const int first = int(work % parts.tiles) * ConvParts::columns;
      Sums sums{};
      if (first + column < size.channels) {
        TapWeights<T, Taps> weights;
        weights.load(dev, w, first + column);
        const Index end = least(parts.positions, (part + 1) * parts.part_positions);
        for (Index position = part * parts.part_positions + row; position < end; position += ConvParts::rows)
          add_position(dev, position, first + column, weights, sums);
      }
      if (!partial) continue;
      for (int g = 0; g < groups; ++g)
        for (int e = 0; e < width; ++e) shared.sums[row][g][column * width + e] = sums.at[g].at[e];
      dev.sync();
      add_rows(dev, shared, part, first * width);
      dev.sync();
    }
  }

 private:
  /// What a thread adds up: dw of each tap, db.
  struct Sums {
    PackedValues<T> at[groups];
  };
  template <class Dev>
  MODELGROW_DEVICE void add_position(Dev dev, Index position, int channels, const TapWeights<T, Taps>& weights,
                                     Sums& sums) const {
    const Index clip = position / size.space;
    const Index at =
        ((position - clip * size.space) * size.channels + clip * size.frames * size.frame + channels) * width;
    const Index stride = Index(size.frame) * width;
    const int before = -size.first_tap + 1 - Taps;
    FrameColumn<T> dys{.at = dy + at + before * stride, .stride = stride, .frame = before, .frames = size.frames};
    FrameColumn<T> xs{.at = x + at, .stride = stride, .frame = 0, .frames = x ? size.frames : 0};
    T* to = dx + at;
    slide_over_frames<Taps>(
        dev, dys, [&] { return xs.next(dev); },
        [&](const PackedValues<T>& arrived) {
          for (int e = 0; e < width; ++e) sums.at[Taps].at[e] += arrived.at[e];
        },
        [&](FrameWindow<T, Taps>& window, const Packed<T>& beside) {
          PackedValues<T> here, sum{};
          unpack<T>(dev, beside, here.at);
          for (int tap = 0; tap < Taps; ++tap) {
            const PackedValues<T>& dy_there = window.under(Taps - 1 - tap);
            for (int e = 0; e < width; ++e) {
              sum.at[e] = dev.fma(weights.at[tap].at[e], dy_there.at[e], sum.at[e]);
              sums.at[tap].at[e] = dev.fma(dy_there.at[e], here.at[e], sums.at[tap].at[e]);
            }
          }
          if (dx) write(dev, to, sum);
          to += stride;
        });
  }
  /// Stores the sums of the rows of a block, 16 bytes of a group at a time.
  template <class Dev>
  MODELGROW_DEVICE void add_rows(Dev dev, Shared& shared, Index part, int first) const {
    constexpr int count = Chunk<Stat<T>>::values;
    const int channels = size.channels * width;
    for (int i = int(dev.thread()) * count; i < groups * tile; i += threads * count) {
      const int g = i / tile, c = i % tile;
      if (first + c >= channels) continue;
      PackedValues<Stat<T>> sum{};
      for (int r = 0; r < ConvParts::rows; ++r) {
        const auto more = read<count>(dev, &shared.sums[r][g][c]);
        for (int e = 0; e < count; ++e) sum.at[e] += more.at[e];
      }
      write(dev, partial + (g * parts.count() + part) * channels + first + c, sum);
    }
  }
};

/// Adds the parts of channel i % channels to dw of tap i / channels, or to db after the last tap.
template <class A>
struct AddConvParts {
  Index parts, channels, taps;
  const A* partial;
  A *dw, *db;  // each may be null
  Index count() const { return (taps + 1) * channels; }
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev, Index i) const {
    const Index tap = i / channels, channel = i % channels;
    A* const to = tap < taps ? (dw ? dw + channel * taps + tap : nullptr) : (db ? db + channel : nullptr);
    if (!to) return;
    A sum = 0;
    for (Index part = 0; part < parts; ++part) sum += partial[(tap * parts + part) * channels + channel];
    *to += sum;
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
