// SPDX-License-Identifier: MIT
// Convolution over frames on [batch, frames, space, channels] in place: each tap is a shifted run of frames.
#pragma once
#include <modelgrow/backend/cpu/arrays.hpp>
#include <modelgrow/backend/cpu/gemm.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

struct TemporalConv {
  template <class T>
  static void temporal_conv(const TemporalConvSize& s, const T* x, const T* w, const T* b, T* y) {
    const std::vector<T> taps = taps_first(s, w);
    const std::int64_t frame = s.space * s.channels_out;
    parallel_for(s.batch * s.frames * s.space, rows_per_piece(s.channels_out),
                 [=](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t r = begin; r < end; ++r)
                     if (b)
                       array(y + r * s.channels_out, s.channels_out) = array(b, s.channels_out);
                     else
                       array(y + r * s.channels_out, s.channels_out).setZero();
                 });
    if (s.kind == TemporalConvSize::Kind::dense) {
      for_taps(s, [&](std::int64_t k, std::int64_t to, std::int64_t from, std::int64_t frames) {
        gemm_nt(frames * s.space, s.channels_out, s.channels_in, x + from * s.space * s.channels_in,
                taps.data() + k * s.channels_out * s.channels_in, y + to * frame)
            .add();
      });
    } else {
      shifted_products(s, x, taps, y, 1);
    }
  }

  template <class T>
  static void temporal_conv_dx(const TemporalConvSize& s, const T* dy, const T* x, const T* w, T* dx, T* dw, T* db) {
    if (dx) input_gradient(s, dy, w, dx);
    if (dw || db) weight_gradient(s, dy, x, dw, db);
  }

 private:
  template <class T>
  static void input_gradient(const TemporalConvSize& s, const T* dy, const T* w, T* dx) {
    const std::vector<T> taps = taps_first(s, w);
    for_pieces(s.batch * s.frames * s.space * s.channels_in,
               [=](std::int64_t i, std::int64_t m) { array(dx + i, m).setZero(); });
    if (s.kind == TemporalConvSize::Kind::dense) {
      for_taps(s, [&](std::int64_t k, std::int64_t to, std::int64_t from, std::int64_t frames) {
        gemm_nn(frames * s.space, s.channels_in, s.channels_out, dy + to * s.space * s.channels_out,
                taps.data() + k * s.channels_out * s.channels_in, dx + from * s.space * s.channels_in)
            .add();
      });
    } else {
      shifted_products(s, dy, taps, dx, -1);
    }
  }

  template <class T>
  static void weight_gradient(const TemporalConvSize& s, const T* dy, const T* x, T* dw, T* db) {
    const std::int64_t n = s.channels_out, rows = s.batch * s.frames * s.space;
    if (db)
      sum_rows(rows, 4 * rows_per_piece(n), n, db, [=](std::int64_t first, std::int64_t count, T* partial) {
        for (std::int64_t r = first; r < first + count; ++r) array(partial, n) += array(dy + r * n, n);
      });
    if (!dw) return;
    const std::int64_t tap = s.kind == TemporalConvSize::Kind::dense ? n * s.channels_in : n;
    std::vector<T> sums(std::size_t(s.kernel * tap), T(0));
    if (s.kind == TemporalConvSize::Kind::dense) {
      for_taps(s, [&](std::int64_t k, std::int64_t to, std::int64_t from, std::int64_t frames) {
        gemm_tn(n, s.channels_in, frames * s.space, dy + to * s.space * n, x + from * s.space * s.channels_in,
                sums.data() + k * tap)
            .add();
      });
    } else {
      sum_rows(s.batch * s.frames, 1, s.kernel * n, sums.data(), [=](std::int64_t bt, std::int64_t, T* partial) {
        for (std::int64_t k = 0; k < s.kernel; ++k) {
          const std::int64_t from = bt % s.frames + s.first_tap + k;
          if (from < 0 || from >= s.frames) continue;
          const T* g = dy + bt * s.space * n;
          const T* v = x + (bt - bt % s.frames + from) * s.space * n;
          for (std::int64_t r = 0; r < s.space; ++r)
            array(partial + k * n, n) += array(g + r * n, n) * array(v + r * n, n);
        }
      });
    }
    for (std::int64_t k = 0; k < s.kernel; ++k)
      for (std::int64_t i = 0; i < tap; ++i) dw[i * s.kernel + k] += sums[std::size_t(k * tap + i)];
  }
  // w[.., kernel] as taps[kernel, ..].
  template <class T>
  static std::vector<T> taps_first(const TemporalConvSize& s, const T* w) {
    const std::int64_t n = s.channels_out * (s.kind == TemporalConvSize::Kind::dense ? s.channels_in : 1);
    std::vector<T> taps(std::size_t(n * s.kernel));
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t k = 0; k < s.kernel; ++k) taps[std::size_t(k * n + i)] = w[i * s.kernel + k];
    return taps;
  }
  // f(tap, first output frame, first input frame, count) for every batch entry and tap; frames count over the batch.
  template <class F>
  static void for_taps(const TemporalConvSize& s, F&& f) {
    for (std::int64_t b = 0; b < s.batch; ++b)
      for (std::int64_t k = 0; k < s.kernel; ++k) {
        const std::int64_t offset = s.first_tap + k;
        const std::int64_t to = std::max<std::int64_t>(0, -offset), end = std::min(s.frames, s.frames - offset);
        if (to < end) f(k, b * s.frames + to, b * s.frames + to + offset, end - to);
      }
  }
  // y[t] += taps[k] * x[t + direction * offset_k], channel by channel.
  template <class T>
  static void shifted_products(const TemporalConvSize& s, const T* x, const std::vector<T>& taps, T* y, int direction) {
    const std::int64_t n = s.channels_out;
    parallel_for(s.batch * s.frames * s.space, rows_per_piece(n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const std::int64_t t = r / s.space % s.frames;
        for (std::int64_t k = 0; k < s.kernel; ++k) {
          const std::int64_t offset = direction * (s.first_tap + k);
          if (t + offset >= 0 && t + offset < s.frames)
            array(y + r * n, n) += array(taps.data() + k * n, n) * array(x + (r + offset * s.space) * n, n);
        }
      }
    });
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
