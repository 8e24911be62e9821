// SPDX-License-Identifier: MIT
// Dense convolution over frames: in bf16 on matrix units where values come 16 bytes at a time, else a product for each
// clip and tap of the frames that have another under the tap, added up in float. dw is always made of such products.
#pragma once
#include <concepts>

#include <modelgrow/backend/cuda/column_major.hpp>
#include <modelgrow/backend/cuda/dense_conv_mma.hpp>
#include <modelgrow/backend/cuda/sums.hpp>
#include <modelgrow/backend/cuda/tile_kernels.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// taps[tap, out * in] = w[out * in, tap].
template <class T>
struct TapsFirst {
  Index kernel, each;  // each = out * in
  const T* w;
  T* taps;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev, Index i) const {
    for (Index tap = 0; tap < kernel; ++tap) taps[tap * each + i] = w[i * kernel + tap];
  }
};
/// w[out * in, tap] += taps[tap, out * in].
template <class A>
struct AddTaps {
  Index kernel, each;
  const A* taps;
  A* w;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev, Index i) const {
    for (Index tap = 0; tap < kernel; ++tap) w[i * kernel + tap] += taps[tap * each + i];
  }
};
/// y[token, column] = sums[token, column] + b[column].
template <class T>
struct RoundSums {
  Index columns;
  const Stat<T>* sums;
  const T* b;  // may be null
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    y[i] = dev.template narrow<T>(b ? sums[i] + dev.widen(b[i % columns]) : sums[i]);
  }
};

template <class Exec>
struct DenseConvOperations {
  /// y from x, or transposed dx from dy.
  template <ConvDirection direction, class T>
  static void convolve(const TemporalConvSize& s, const T* x, const T* w, const T* b, T* y) {
    const Index each = s.channels_out * s.channels_in;
    const auto taps = scratch<Exec, T>(each * s.kernel);
    Exec::launch(
        ForEach<TapsFirst<T>>{.n = each, .element = {.kernel = s.kernel, .each = each, .w = w, .taps = taps.data()}});
    if constexpr (std::same_as<T, bf16>)
      if (on_matrix_units<direction>(s, x, taps.data(), b, y)) return;
    constexpr bool forward = direction == ConvDirection::forward;
    const Index inner = forward ? s.channels_in : s.channels_out, columns = forward ? s.channels_out : s.channels_in;
    const auto sums = scratch<Exec, Stat<T>>(s.batch * s.frames * s.space * columns);
    Exec::Device::zero(sums.data(), sums.bytes());
    for_neighbours(s, [&](Index tap, Index rows, Index here, Index there) {
      Exec::multiply(MatrixSize{.rows = rows, .columns = columns, .inner = inner},
                     forward ? Transposed::b : Transposed::none, x + (forward ? there : here) * inner,
                     taps.data() + tap * each, Write::add, sums.data() + (forward ? here : there) * columns);
    });
    Exec::launch(
        ForEach<RoundSums<T>>{.n = sums.size(), .element = {.columns = columns, .sums = sums.data(), .b = b, .y = y}});
  }
  template <class T>
  static void add_weight_gradient(const TemporalConvSize& s, const T* dy, const T* x, Stat<T>* dw) {
    const Index each = s.channels_out * s.channels_in;
    auto taps = scratch<Exec, Stat<T>>(each * s.kernel);
    taps.zero();
    for_neighbours(s, [&](Index tap, Index rows, Index here, Index there) {
      Exec::multiply(MatrixSize{.rows = s.channels_out, .columns = s.channels_in, .inner = rows}, Transposed::a,
                     dy + here * s.channels_out, x + there * s.channels_in, Write::add, taps.data() + tap * each);
    });
    Exec::launch(ForEach<AddTaps<Stat<T>>>{
        .n = each, .element = {.kernel = s.kernel, .each = each, .taps = taps.data(), .w = dw}});
  }

 private:
  /// f(tap, rows, here, there) for every clip and tap: the `rows` tokens from `here` on, if there are any, are those of
  /// the clip under whose tap is a frame of it, which begins with token `there`.
  template <class F>
  static void for_neighbours(const TemporalConvSize& s, F f) {
    for (Index clip = 0; clip < s.batch; ++clip)
      for (Index tap = 0; tap < s.kernel; ++tap) {
        const Index shift = s.first_tap + tap, first = least(s.frames, greatest(Index(0), -shift));
        const Index frames = greatest(Index(0), least(s.frames, s.frames - shift) - first);
        const Index here = (clip * s.frames + first) * s.space;
        if (frames > 0) f(tap, frames * s.space, here, here + shift * s.space);
      }
  }
  /// False, and nothing done, where sizes or addresses do not suit.
  template <ConvDirection direction>
  static bool on_matrix_units(const TemporalConvSize& s, const bf16* x, const bf16* taps, const bf16* b, bf16* y) {
    using Kernel = DenseConvMma<direction>;
    const Index inner = Kernel::forward ? s.channels_in : s.channels_out;
    const Index columns = Kernel::forward ? s.channels_out : s.channels_in;
    constexpr Index most = Index(1) << 30;
    if (inner == 0 || (inner | columns) % Kernel::chunk != 0 || !aligned({x, y}) || columns >= most ||
        s.kernel * (inner + Kernel::depth) >= most || s.frames + s.kernel >= most)
      return false;
    const auto on_tiles = TileKernels<Exec>::in_use.convolve;
    if (on_tiles && on_tiles(direction, s, x, taps, b, y)) return true;
    Exec::launch(Kernel{.tokens = s.batch * s.frames * s.space,
                        .space = s.space,
                        .frames = int(s.frames),
                        .taps = int(s.kernel),
                        .first_tap = int(s.first_tap),
                        .inner = int(inner),
                        .columns = int(columns),
                        .x = x,
                        .w = taps,
                        .b = b,
                        .y = y});
    return true;
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
