// SPDX-License-Identifier: MIT
// Dense convolution at the edges of the tiles of the kernel on matrix units, and the bits of either convolution.
#pragma once
#include "tests/support/backend_parity.hpp"

namespace modelgrow::testing {

/// Of the cases those whose numbers are `first` and every `step` from there.
template <class D>
void check_dense_conv_on_matrix_units(int first, int step) {
  using enum TemporalConvSize::Kind;
  const std::vector<TemporalConvSize> cases{
      {2, 3, 45, 72, 136, 3, -2, dense},   // rows, channels in and out beyond a tile; clips that begin within one
      {1, 2, 64, 8, 8, 3, -1, dense},      // as many rows as a tile has
      {1, 1, 129, 64, 128, 3, -1, dense},  // two taps outside of every clip
      {1, 5, 7, 128, 40, 5, -2, dense},    // as many channels as two steps take
      {3, 4, 1, 16, 24, 1, 0, dense},      // one tap
      {1, 4, 40, 24, 264, 2, -1, dense},   // an even number of taps
      {2, 2, 70, 72, 136, 3, -1, dense},   // frames of more than half a tile
  };
  for (std::size_t i = std::size_t(first); i < cases.size(); i += std::size_t(step))
    check_temporal_conv_passes<D, bf16>(cases[i], "dense on matrix units, case " + std::to_string(i));
}

/// Dense convolution whose frames fill more than half of each of their tiles of 128 rows.
template <class D>
void check_dense_conv_of_large_frames() {
  using enum TemporalConvSize::Kind;
  const std::vector<TemporalConvSize> cases{
      {2, 3, 70, 72, 136, 3, -2, dense},  // clips that begin within a tile
      {1, 4, 66, 24, 264, 2, -1, dense},  // an even number of taps
      {1, 5, 64, 128, 40, 5, -2, dense},  // five of them
      {1, 3, 130, 8, 8, 3, 1, dense},     // of later frames alone
  };
  for (std::size_t i = 0; i < cases.size(); ++i)
    check_temporal_conv_passes<D, bf16>(cases[i], "dense of large frames, case " + std::to_string(i));
}

/// Forward and backward, at sizes at which several threads, blocks and parts of the positions share every gradient.
struct TemporalConvCall {
  TemporalConvSize size;
  template <class Side>
  void operator()(Side& side) const {
    const bool dense = size.kind == TemporalConvSize::Kind::dense;
    const std::int64_t tokens = size.batch * size.frames * size.space, in = tokens * size.channels_in;
    const std::int64_t out = tokens * size.channels_out;
    const std::int64_t nw = size.channels_out * size.kernel * (dense ? size.channels_in : 1);
    auto *x = side.values(in, 1), *w = side.values(nw, 2), *b = side.values(size.channels_out, 3);
    side.backend.temporal_conv(size, x, w, b, side.fresh(out));
    auto *dy = side.values(out, 4), *dx = side.fresh(in);
    auto *dw = side.statistics(nw, 5), *db = side.statistics(size.channels_out, 6);
    side.backend.temporal_conv_dx(size, dy, x, w, dx, dw, db);
  }
};
inline TemporalConvCall depthwise_conv_call(std::int64_t kernel) {
  return {{2, 5, 70, 72, 72, kernel, -(kernel - 1) / 2, TemporalConvSize::Kind::depthwise}};
}

template <class D>
void check_bits_of_dense_conv_of_large_frames() {
  check_same_bits<D, bf16>(TemporalConvCall{{2, 3, 70, 72, 136, 3, -2, TemporalConvSize::Kind::dense}});
}

template <class D>
void check_bits_of_temporal_conv() {
  check_same_bits<D, bf16>(depthwise_conv_call(3));
  check_same_bits<D, bf16>(depthwise_conv_call(5));
  check_same_bits<D, bf16>(TemporalConvCall{{2, 3, 45, 72, 136, 3, -2, TemporalConvSize::Kind::dense}});
}

}  // namespace modelgrow::testing
