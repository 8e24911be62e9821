// SPDX-License-Identifier: MIT
// Convolution over frames. Depthwise with 3 or 5 taps slides over the frames; with others, and where channels cannot be
// loaded 16 bytes at a time, each value is computed by itself.
#pragma once
#include <initializer_list>
#include <type_traits>

#include <modelgrow/backend/cuda/dense_conv.hpp>
#include <modelgrow/backend/cuda/sliding_conv_dx.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// One value of x[batch, frames, space, channels], and its neighbours in time.
struct FramePosition {
  Index frame, channel, frame_stride;
  MODELGROW_DEVICE static FramePosition of(const TemporalConvSize& s, Index channels, Index i) {
    return {i / (s.space * channels) % s.frames, i % channels, s.space * channels};
  }
  MODELGROW_DEVICE static bool inside(const TemporalConvSize& s, Index frame) { return frame >= 0 && frame < s.frames; }
};

/// y from x, or transposed dx from dy.
template <class T>
struct DepthwiseConv {
  TemporalConvSize size;
  ConvDirection direction;
  const T *x, *w, *b;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const auto at = FramePosition::of(size, size.channels_out, i);
    Stat<T> sum = b ? dev.widen(b[at.channel]) : Stat<T>(0);
    for (Index tap = 0; tap < size.kernel; ++tap) {
      const Index offset = Index(direction) * (size.first_tap + tap);
      if (FramePosition::inside(size, at.frame + offset))
        sum += dev.widen(w[at.channel * size.kernel + tap]) * dev.widen(x[i + offset * at.frame_stride]);
    }
    y[i] = dev.template narrow<T>(sum);
  }
};
/// The term of a column sum over tokens (sums.hpp) whose group is the tap: dy x at the frame of the tap.
template <class T>
struct DepthwiseTapTerm {
  TemporalConvSize size;
  const T *dy, *x;
  template <class Dev, int N>
  MODELGROW_DEVICE Values<Stat<T>, N> operator()(Dev dev, Index tap, Index token, Index channel, Count<N>) const {
    const Index offset = size.first_tap + tap, frame = token / size.space % size.frames;
    if (!FramePosition::inside(size, frame + offset)) return {};
    const Index i = token * size.channels_out + channel;
    auto values = read<N>(dev, dy + i);
    const auto others = read<N>(dev, x + i + offset * size.space * size.channels_out);
    for (int e = 0; e < N; ++e) values.at[e] *= others.at[e];
    return values;
  }
};

template <class Exec>
struct TemporalConvOperations {
  template <class T>
  static void temporal_conv(const TemporalConvSize& s, const T* x, const T* w, const T* b, T* y) {
    if (s.kind == TemporalConvSize::Kind::dense) return Dense::template convolve<ConvDirection::forward>(s, x, w, b, y);
    const bool slides = slide<T>(s, {x, w, b, y}, [&](auto taps) {
      const SlidingConv<T, taps> conv{.size = ColumnSize::of<T>(s), .x = x, .w = w, .b = b, .y = y};
      Exec::launch(ForEach<SlidingConv<T, taps>>{.n = conv.count(), .element = conv});
    });
    if (!slides) depthwise(s, ConvDirection::forward, x, w, b, y);
  }
  template <class T>
  static void temporal_conv_dx(const TemporalConvSize& s, const T* dy, const T* x, const T* w, T* dx, Stat<T>* dw,
                               Stat<T>* db) {
    const bool slides = slide<T>(s, {dy, x, w, dx}, [&](auto taps) { slide_dx<taps>(s, dy, x, w, dx, dw, db); });
    if (slides) return;
    const bool dense = s.kind == TemporalConvSize::Kind::dense;
    constexpr const T* no_bias = nullptr;
    if (dx && dense) Dense::template convolve<ConvDirection::transposed>(s, dy, w, no_bias, dx);
    if (dw && dense) Dense::add_weight_gradient(s, dy, x, dw);
    if (dx && !dense) depthwise(s, ConvDirection::transposed, dy, w, no_bias, dx);
    if (dw && !dense)
      add_column_sums<Exec, T>(ColumnSums{.groups = s.kernel, .rows = tokens(s), .columns = s.channels_out}, {dy, x},
                               DepthwiseTapTerm<T>{.size = s, .dy = dy, .x = x}, {{dw, nullptr}, 1, s.kernel});
    if (db) SumOperations<Exec>::column_sum(tokens(s), s.channels_out, dy, db);
  }

 private:
  using Dense = DenseConvOperations<Exec>;

  static Index tokens(const TemporalConvSize& s) { return s.batch * s.frames * s.space; }

  /// f(taps) if a window can slide over these frames, at these addresses (or null); whether it can.
  template <class T, class F>
  static bool slide(const TemporalConvSize& s, std::initializer_list<const void*> addresses, F f) {
    const bool suits = s.kind == TemporalConvSize::Kind::depthwise && s.channels_out % Chunk<T>::values == 0 &&
                       s.first_tap <= 0 && s.first_tap > -s.kernel &&
                       (s.frames + s.kernel) * s.space * s.channels_out < Index(1) << 31 && aligned(addresses);
    if (suits && s.kernel == 3)
      f(std::integral_constant<int, 3>{});
    else if (suits && s.kernel == 5)
      f(std::integral_constant<int, 5>{});
    else
      return false;
    return true;
  }
  template <int Taps, class T>
  static void slide_dx(const TemporalConvSize& s, const T* dy, const T* x, const T* w, T* dx, Stat<T>* dw,
                       Stat<T>* db) {
    const auto size = ColumnSize::of<T>(s);
    const auto parts = ConvParts::of(size);
    const bool sums = dw || db;
    const auto partial = scratch<Exec, Stat<T>>(sums ? (Taps + 1) * parts.count() * s.channels_out : 0);
    Exec::launch(SlidingConvDx<T, Taps>{.size = size,
                                        .parts = parts,
                                        .dy = dy,
                                        .x = dw ? x : nullptr,
                                        .w = w,
                                        .dx = dx,
                                        .partial = sums ? partial.data() : nullptr});
    if (!sums) return;
    const AddConvParts<Stat<T>> add{.parts = parts.count(),
                                    .channels = s.channels_out,
                                    .taps = Taps,
                                    .partial = partial.data(),
                                    .dw = dw,
                                    .db = db};
    Exec::launch(ForEach<AddConvParts<Stat<T>>>{.n = add.count(), .element = add});
  }
  template <class T>
  static void depthwise(const TemporalConvSize& s, ConvDirection direction, const T* x, const T* w, const T* b, T* y) {
    Exec::launch(
        ForEach<DepthwiseConv<T>>{.n = tokens(s) * s.channels_out,
                                  .element = {.size = s, .direction = direction, .x = x, .w = w, .b = b, .y = y}});
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
