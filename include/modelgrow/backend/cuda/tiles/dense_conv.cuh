// SPDX-License-Identifier: MIT
// Dense convolution over frames in bf16 as a program of tiles: a block takes some positions of one frame, and a tap
// either has another frame under it or is left out.
#pragma once
#include <modelgrow/backend/cuda/temporal_conv.hpp>
#include <modelgrow/backend/cuda/tiles/head_tile.cuh>

namespace modelgrow::inline v0 {
namespace kernels {

/// y from x, or transposed dx from dy; w[tap, out, in].
template <ConvDirection direction>
struct TileDenseConv {
  static constexpr bool forward = direction == ConvDirection::forward;
  static constexpr int rows = 128, columns = 128, depth = 64;
  using bf16 = __nv_bfloat16;
  int frames, space, taps, first_tap, inner, width;  // width: channels of y
  const bf16 *x, *w, *b;                             // b may be null
  bf16* y;

  __tile__ void operator()(std::int64_t block) const {
    namespace ct = cuda::tiles;
    const int columns_of_tiles = (width + columns - 1) / columns, tiles = (space + rows - 1) / rows;
    const int column = int(block % columns_of_tiles), tile = int(block / columns_of_tiles % tiles);
    const std::int64_t here = block / columns_of_tiles / tiles;  // frames of all clips before this one
    const int frame = int(here % frames);
    auto sums = filled<float, rows, columns>(0.0f);
    for (const int tap : ct::irange(0, taps)) {
      const int shift = forward ? first_tap + tap : -first_tap - tap;
      if (frame + shift >= 0 && frame + shift < frames)
        for (const int step : ct::irange(0, (inner + depth - 1) / depth))
          sums = ct::mma(load<rows, depth>(x + (here + shift) * space * inner, space, inner, tile, step),
                         weights(w + std::int64_t(tap) * inner * width, column, step), sums);
    }
    if (b != nullptr) sums = sums + rounded<float>(load<1, columns>(b, 1, width, 0, column));
    ct::partition_view{matrix(y + here * space * width, space, width), ct::shape<rows, columns>{}}.store_masked(
        rounded<bf16>(sums), tile, column);
  }

 private:
  template <class T>
  __tile__ static auto matrix(T* first, int rows, int columns) {
    namespace ct = cuda::tiles;
    using namespace ct::literals;
    using Extents = ct::extents<int, ct::dynamic_extent, ct::dynamic_extent>;
    return ct::tensor_span<T, Extents>{ct::assume_aligned(first, 16_ic),
                                       Extents{rows, ct::assume_divisible(columns, 8_ic)}};
  }
  /// Zeros past the ends.
  template <int Rows, int Columns>
  __tile__ static Tile<bf16, Rows, Columns> load(const bf16* first, int rows, int columns, int row, int column) {
    namespace ct = cuda::tiles;
    return ct::partition_view{matrix(first, rows, columns), ct::shape<Rows, Columns>{}}.load_masked(row, column);
  }
  /// A tap's weights as right factor.
  __tile__ Tile<bf16, depth, columns> weights(const bf16* tap, int column, int step) const {
    if constexpr (forward)
      return cuda::tiles::transpose(load<columns, depth>(tap, width, inner, column, step));
    else
      return load<depth, columns>(tap, inner, width, step, column);
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
