// SPDX-License-Identifier: MIT
// Depthwise convolution over frames with a window that slides over them: a thread has 16 bytes of channels (a column)
// of a position, reads each frame once and keeps those that lie under the taps in registers.
//
// Sums name their rounding (fma), so that their bits are the same on every architecture and on the host.
#pragma once
#include <modelgrow/backend/cuda/values.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// Where x[batch, frames, space, channels] has its columns; a clip has less than 2^31 of them.
struct ColumnSize {
  Index clips, space;
  int frames, frame, channels, first_tap;  // columns of a frame and of a position
  template <class T>
  static ColumnSize of(const TemporalConvSize& s) {
    const Index channels = s.channels_out / Chunk<T>::values;
    return {.clips = s.batch,
            .space = s.space,
            .frames = int(s.frames),
            .frame = int(s.space * channels),
            .channels = int(channels),
            .first_tap = int(s.first_tap)};
  }
};

/// A column of a clip, frame by frame; zeros before and after it.
template <class T>
struct FrameColumn {
  const T* at;   // in frame `frame`
  Index stride;  // values from a frame to the next
  int frame, frames;
  template <class Dev>
  MODELGROW_DEVICE Packed<T> next(Dev dev) {
    const bool inside = unsigned(frame++) < unsigned(frames);
    const T* from = at;
    at += stride;
    return inside ? dev.template load<Packed<T>>(from) : Packed<T>{};
  }
};

/// The frames under the taps, in slots that take turns at being the first.
template <class T, int Taps>
struct FrameWindow {
  PackedValues<T> slots[Taps];
  int first;
  MODELGROW_DEVICE PackedValues<T>& under(int tap) { return slots[(first + tap) % Taps]; }
};

/// take(window, beside) for every frame of the clip, and arrive(values) once for every frame that comes into a window,
/// of which `column` is at the first of the first. What fetch() loads for each window is loaded ahead, as the column
/// is.
template <int Taps, class T, class Dev, class Fetch, class Arrive, class Take>
MODELGROW_DEVICE void slide_over_frames(Dev dev, FrameColumn<T> column, Fetch fetch, Arrive arrive, Take take) {
  FrameWindow<T, Taps> window;
  const auto put = [&](int tap, const Packed<T>& frame) {
    unpack<T>(dev, frame, window.under(tap).at);
    arrive(window.under(tap));
  };
  window.first = 0;
  for (int tap = 0; tap + 1 < Taps; ++tap) put(tap, column.next(dev));
  for (int t = 0; t < column.frames; t += Taps) {  // after so many steps every slot is what it was
    Packed<T> next[Taps];
    decltype(fetch()) beside[Taps];
    for (int step = 0; step < Taps; ++step) {
      next[step] = column.next(dev);
      beside[step] = fetch();
    }
    for (int step = 0; step < Taps; ++step) {
      if (t + step >= column.frames) return;
      window.first = step;
      put(Taps - 1, next[step]);
      take(window, beside[step]);
    }
  }
}

/// The weights of a column of channels, of w[channels, 1, Taps].
template <class T, int Taps>
struct TapWeights {
  PackedValues<T> at[Taps];
  template <class Dev>
  MODELGROW_DEVICE void load(Dev dev, const T* w, int column) {
    constexpr int count = Chunk<T>::values;
    for (int part = 0; part < Taps; ++part) {
      const auto some = read<count>(dev, w + (Index(column) * Taps + part) * count);
      for (int e = 0; e < count; ++e) at[(part * count + e) % Taps].at[(part * count + e) / Taps] = some.at[e];
    }
  }
};

/// y = conv(x) for a column of a position, in all frames.
template <class T, int Taps>
struct SlidingConv {
  ColumnSize size;
  const T *x, *w, *b;
  T* y;
  Index count() const { return size.clips * size.frame; }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    constexpr int count = Chunk<T>::values;
    const int channels = int(i % size.channels);
    const Index stride = Index(size.frame) * count;
    const Index at = (i + i / size.frame * (size.frames - 1) * size.frame) * count;
    TapWeights<T, Taps> weights;
    weights.load(dev, w, channels);
    PackedValues<T> bias{};
    if (b) bias = read<count>(dev, b + channels * count);
    const FrameColumn<T> column{
        .at = x + at + size.first_tap * stride, .stride = stride, .frame = size.first_tap, .frames = size.frames};
    T* to = y + at;
    slide_over_frames<Taps>(
        dev, column, [] { return NoShared{}; }, [](const PackedValues<T>&) {},
        [&](FrameWindow<T, Taps>& window, NoShared) {
          PackedValues<T> sum = bias;
          for (int tap = 0; tap < Taps; ++tap)
            for (int e = 0; e < count; ++e)
              sum.at[e] = dev.fma(weights.at[tap].at[e], window.under(tap).at[e], sum.at[e]);
          write(dev, to, sum);
          to += stride;
        });
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
