// SPDX-License-Identifier: MIT
// Rows of a head as tiles of CUDA Tile C++, in which a program says what a block does with whole tiles, and the
// compiler finds threads, copies and matrix instructions. Needs nvcc 13.5 or later with --enable-tile.
#pragma once
#include <cuda_bf16.h>
#include <cuda_tile.h>

#include <cstddef>

namespace modelgrow::inline v0 {
namespace kernels {

template <class T, std::size_t... Extents>
using Tile = cuda::tiles::tile<T, cuda::tiles::shape<Extents...>>;
template <class T, std::size_t... Extents>
__tile__ Tile<T, Extents...> filled(T value) {
  return cuda::tiles::full<Tile<T, Extents...>>(value);
}
template <class To, class T>
__tile__ auto rounded(T tile) {
  return cuda::tiles::element_cast<To>(tile);
}
/// 2^(x factor - shift), with a shift for each row or each column. What is too small for a normal number is 0.
template <std::size_t Rows, std::size_t Columns, class Shift>
__tile__ Tile<float, Rows, Columns> exp2_of(Tile<float, Rows, Columns> x, float factor, Shift shift) {
  namespace ct = cuda::tiles;
  constexpr ct::rounding_mode_constant<ct::rounding_mode::round_ties_to_even> nearest;
  constexpr ct::subnormals_rounding_mode_constant<ct::subnormals_rounding_mode::round_subnormals_to_zero> flush;
  return ct::exp2(ct::fma(x, factor, ct::broadcast(-shift, ct::shape<Rows, Columns>{}), nearest, flush), flush);
}

/// A view of `rows` rows of `Width` values, `stride` apart. Rows begin at multiples of 16 bytes.
/// No lambda may capture a view by reference: addresses lose what is known of them, and loads become 16 bits wide.
template <int Width, class T>
__tile__ auto rows_at(T* first, int rows, int stride) {
  namespace ct = cuda::tiles;
  using namespace ct::literals;
  using Extents = ct::extents<int, ct::dynamic_extent, Width>;
  using Strides = ct::extents<int, ct::dynamic_extent, 1>;
  using Layout = ct::layout_strided<Strides>;
  return ct::tensor_span<T, Extents, Layout>{
      ct::assume_aligned(first, 16_ic),
      typename Layout::template mapping<Extents>{Extents{rows}, Strides{ct::assume_divisible(stride, 8_ic)}}};
}
/// Values of which there are `count`: those of a tile as a column (Columns = 1) or a row; zeros past the end.
template <int Rows, int Columns>
__tile__ Tile<float, Rows, Columns> load_values(const float* first, int count, int tile) {
  namespace ct = cuda::tiles;
  const ct::tensor_span values{first, ct::extents<int, ct::dynamic_extent>{count}};
  return ct::reshape(ct::partition_view{values, ct::shape<Rows * Columns>{}}.load_masked(tile),
                     ct::shape<Rows, Columns>{});
}
template <std::size_t Rows>
__tile__ void store_column(Tile<float, Rows, 1> column, float* first, int count, int tile) {
  namespace ct = cuda::tiles;
  const ct::tensor_span values{first, ct::extents<int, ct::dynamic_extent>{count}};
  ct::partition_view{values, ct::shape<Rows>{}}.store_masked(ct::reshape(column, ct::shape<Rows>{}), tile);
}

/// Rows of a head of `Dim` channels. Extents of tiles are powers of two: 72 channels are 64 and 16, of which the last
/// eight are zeros; 96 are 64 and 32.
template <class T, int Rows, int Dim>
struct HeadTile {
  static constexpr int channels = Dim == 72 || Dim == 96 ? 64 : Dim, others = Dim - channels;
  static constexpr int padded = others < 16 ? 16 : others;
  Tile<T, Rows, channels> first;
  Tile<T, Rows, padded> rest;

  /// Rows [tile Rows, (tile + 1) Rows) of `rows`; zeros past the end.
  __tile__ static HeadTile load(const T* at, int rows, int stride, int tile) {
    namespace ct = cuda::tiles;
    HeadTile head;
    head.first =
        ct::partition_view{rows_at<channels>(at, rows, stride), ct::shape<Rows, channels>{}}.load_masked(tile, 0);
    if constexpr (others > 0)
      head.rest =
          ct::partition_view{rows_at<others>(at + channels, rows, stride), ct::shape<Rows, padded>{}}.load_masked(tile,
                                                                                                                  0);
    return head;
  }
  __tile__ static HeadTile zeros() {
    HeadTile head;
    head.first = filled<T, Rows, channels>(T(0));
    head.rest = filled<T, Rows, padded>(T(0));
    return head;
  }
  /// Stores those of the rows that are before `rows`.
  template <class To>
  __tile__ void store(To* at, int rows, int stride, int tile) const {
    namespace ct = cuda::tiles;
    ct::partition_view{rows_at<channels>(at, rows, stride), ct::shape<Rows, channels>{}}.store_masked(
        rounded<To>(first), tile, 0);
    if constexpr (others > 0)
      ct::partition_view{rows_at<others>(at + channels, rows, stride), ct::shape<Rows, padded>{}}.store_masked(
          rounded<To>(rest), tile, 0);
  }
  /// Each row times its factor, or all of them times one.
  template <class Factor>
  __tile__ HeadTile times(Factor factor) const {
    HeadTile head;
    head.first = first * factor;
    head.rest = rest * factor;
    return head;
  }
  /// Zeros in place of the rows for which `kept` is false.
  __tile__ HeadTile where(Tile<bool, Rows, 1> kept) const {
    namespace ct = cuda::tiles;
    HeadTile head;
    head.first = ct::select(ct::broadcast(kept, ct::shape<Rows, channels>{}), first, filled<T, Rows, channels>(T(0)));
    head.rest = ct::select(ct::broadcast(kept, ct::shape<Rows, padded>{}), rest, filled<T, Rows, padded>(T(0)));
    return head;
  }
  /// this += weights[Rows, Inner] x other, with weights rounded to the type of `other`.
  template <class U, int Inner, class Weights>
  __tile__ void add_product(Weights weights, HeadTile<U, Inner, Dim> other) {
    const auto left = rounded<U>(weights);
    first = cuda::tiles::mma(left, other.first, first);
    if constexpr (others > 0) rest = cuda::tiles::mma(left, other.rest, rest);
  }
};

/// a x b^T.
template <class T, int Rows, int Columns, int Dim>
__tile__ Tile<float, Rows, Columns> dots(HeadTile<T, Rows, Dim> a, HeadTile<T, Columns, Dim> b) {
  namespace ct = cuda::tiles;
  auto sums = ct::mma(a.first, ct::transpose(b.first), filled<float, Rows, Columns>(0.0f));
  if constexpr (a.others > 0) sums = ct::mma(a.rest, ct::transpose(b.rest), sums);
  return sums;
}
/// The dot product of each row of a with that of b.
template <class T, int Rows, int Dim>
__tile__ Tile<float, Rows, 1> row_dots(HeadTile<T, Rows, Dim> a, HeadTile<T, Rows, Dim> b) {
  namespace ct = cuda::tiles;
  auto sums = ct::sum<1>(rounded<float>(a.first) * rounded<float>(b.first));
  if constexpr (a.others > 0) sums = sums + ct::sum<1>(rounded<float>(a.rest) * rounded<float>(b.rest));
  return sums;
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
