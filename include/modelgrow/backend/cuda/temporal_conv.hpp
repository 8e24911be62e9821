// SPDX-License-Identifier: MIT
// Convolution over frames. Depthwise has its own kernels; dense is unfolded to [token, in * kernel], the layout of its
// weight [out, in * kernel], and left to matrix multiplication.
#pragma once
#include <modelgrow/backend/cuda/linear.hpp>

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

template <class T>
struct DepthwiseConv {
  TemporalConvSize size;
  const T *x, *w, *b;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const auto at = FramePosition::of(size, size.channels_out, i);
    Stat<T> sum = b ? dev.widen(b[at.channel]) : Stat<T>(0);
    for (Index tap = 0; tap < size.kernel; ++tap) {
      const Index offset = size.first_tap + tap;
      if (FramePosition::inside(size, at.frame + offset))
        sum += dev.widen(w[at.channel * size.kernel + tap]) * dev.widen(x[i + offset * at.frame_stride]);
    }
    y[i] = dev.template narrow<T>(sum);
  }
};
template <class T>
struct DepthwiseConvDx {
  TemporalConvSize size;
  const T *dy, *w;
  T* dx;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const auto at = FramePosition::of(size, size.channels_out, i);
    Stat<T> sum = 0;
    for (Index tap = 0; tap < size.kernel; ++tap) {
      const Index offset = size.first_tap + tap;
      if (FramePosition::inside(size, at.frame - offset))
        sum += dev.widen(w[at.channel * size.kernel + tap]) * dev.widen(dy[i - offset * at.frame_stride]);
    }
    dx[i] = dev.template narrow<T>(sum);
  }
};
/// The term of a column sum over tokens (sums.hpp) whose group is the tap: dy x at the frame of the tap.
template <class T>
struct DepthwiseTapTerm {
  TemporalConvSize size;
  const T *dy, *x;
  template <class Dev>
  MODELGROW_DEVICE Stat<T> operator()(Dev dev, Index tap, Index token, Index channel) const {
    const Index offset = size.first_tap + tap, frame = token / size.space % size.frames;
    if (!FramePosition::inside(size, frame + offset)) return 0;
    const Index i = token * size.channels_out + channel;
    return dev.widen(dy[i]) * dev.widen(x[i + offset * size.space * size.channels_out]);
  }
};

/// unfolded[token, channel, tap] = x at the frame of the tap, zero outside.
template <class T>
struct UnfoldFrames {
  TemporalConvSize size;
  const T* x;
  T* unfolded;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Index source = i / size.kernel, offset = size.first_tap + i % size.kernel;
    const auto at = FramePosition::of(size, size.channels_in, source);
    unfolded[i] = FramePosition::inside(size, at.frame + offset) ? x[source + offset * at.frame_stride]
                                                                 : dev.template narrow<T>(Stat<T>(0));
  }
};
/// The transpose of UnfoldFrames: x = sum of the unfolded values that came from it.
template <class T>
struct FoldFrames {
  TemporalConvSize size;
  const Stat<T>* unfolded;  // not rounded before it is summed
  T* x;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const auto at = FramePosition::of(size, size.channels_in, i);
    Stat<T> sum = 0;
    for (Index tap = 0; tap < size.kernel; ++tap) {
      const Index offset = size.first_tap + tap;
      if (FramePosition::inside(size, at.frame - offset))
        sum += unfolded[(i - offset * at.frame_stride) * size.kernel + tap];
    }
    x[i] = dev.template narrow<T>(sum);
  }
};

template <class Exec>
struct TemporalConvOperations {
  template <class T>
  static void temporal_conv(const TemporalConvSize& s, const T* x, const T* w, const T* b, T* y) {
    if (s.kind == TemporalConvSize::Kind::depthwise)
      Exec::launch(ForEach<DepthwiseConv<T>>{.n = tokens(s) * s.channels_out,
                                             .element = {.size = s, .x = x, .w = w, .b = b, .y = y}});
    else
      LinearOperations<Exec>::linear(as_linear(s), unfold(s, x).data(), w, b, y);
  }
  template <class T>
  static void temporal_conv_dx(const TemporalConvSize& s, const T* dy, const T* w, T* dx) {
    if (s.kind == TemporalConvSize::Kind::depthwise) {
      Exec::launch(ForEach<DepthwiseConvDx<T>>{.n = tokens(s) * s.channels_in,
                                               .element = {.size = s, .dy = dy, .w = w, .dx = dx}});
      return;
    }
    const auto unfolded = scratch<Exec, Stat<T>>(tokens(s) * s.channels_in * s.kernel);
    Exec::multiply(MatrixSize{.rows = tokens(s), .columns = s.channels_in * s.kernel, .inner = s.channels_out},
                   Transposed::none, dy, w, Write::overwrite, unfolded.data());
    Exec::launch(ForEach<FoldFrames<T>>{.n = tokens(s) * s.channels_in,
                                        .element = {.size = s, .unfolded = unfolded.data(), .x = dx}});
  }
  template <class T>
  static void temporal_conv_dw(const TemporalConvSize& s, const T* dy, const T* x, Stat<T>* dw, Stat<T>* db) {
    if (dw && s.kind == TemporalConvSize::Kind::dense)
      return LinearOperations<Exec>::linear_dw(as_linear(s), dy, unfold(s, x).data(), dw, db);
    if (db) SumOperations<Exec>::column_sum(tokens(s), s.channels_out, dy, db);
    if (dw)
      add_column_sums<Exec>(ColumnSums{.groups = s.kernel, .rows = tokens(s), .columns = s.channels_out},
                            DepthwiseTapTerm<T>{.size = s, .dy = dy, .x = x}, dw, Index(1), s.kernel);
  }

 private:
  static Index tokens(const TemporalConvSize& s) { return s.batch * s.frames * s.space; }
  static LinearSize as_linear(const TemporalConvSize& s) {
    return {.rows = tokens(s), .in = s.channels_in * s.kernel, .out = s.channels_out};
  }
  template <class T>
  static auto unfold(const TemporalConvSize& s, const T* x) {
    auto unfolded = scratch<Exec, T>(tokens(s) * s.channels_in * s.kernel);
    Exec::launch(
        ForEach<UnfoldFrames<T>>{.n = unfolded.size(), .element = {.size = s, .x = x, .unfolded = unfolded.data()}});
    return unfolded;
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
