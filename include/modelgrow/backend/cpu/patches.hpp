// SPDX-License-Identifier: MIT
// Clips cut into patches and put together again.
#pragma once
#include <algorithm>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/core/parallel.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

struct Patches {
  template <class T>
  static void patchify(const PatchSize& s, PatchOrder order, const T* x, T* patches) {
    for_runs(s, order, [=](std::int64_t pixel, std::int64_t feature, std::int64_t stride) {
      for (std::int64_t j = 0; j < s.pw; ++j) patches[feature + j * stride] = x[pixel + j];
    });
  }
  template <class T>
  static void unpatchify(const PatchSize& s, PatchOrder order, const T* patches, T* x) {
    for_runs(s, order, [=](std::int64_t pixel, std::int64_t feature, std::int64_t stride) {
      for (std::int64_t j = 0; j < s.pw; ++j) x[pixel + j] = patches[feature + j * stride];
    });
  }

 private:
  // f(offset of the first pixel, offset of its feature, stride of features) for every row of pw pixels of every patch.
  template <class F>
  static void for_runs(const PatchSize& s, PatchOrder order, F f) {
    const std::int64_t frames = s.frames / s.pt, rows = s.height / s.ph, columns = s.width / s.pw;
    const std::int64_t cell = s.pt * s.ph * s.pw;
    const bool channels_last = order == PatchOrder::channels_last;
    parallel_for(s.batch * frames * rows, 8, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t b = i / (frames * rows), t0 = i / rows % frames * s.pt, h0 = i % rows * s.ph;
        for (std::int64_t column = 0; column < columns; ++column)
          for (std::int64_t c = 0; c < s.channels; ++c)
            for (std::int64_t t = 0; t < s.pt; ++t)
              for (std::int64_t h = 0; h < s.ph; ++h) {
                const std::int64_t inside = (t * s.ph + h) * s.pw;
                const std::int64_t feature = channels_last ? inside * s.channels + c : c * cell + inside;
                f((((b * s.channels + c) * s.frames + t0 + t) * s.height + h0 + h) * s.width + column * s.pw,
                  (i * columns + column) * s.channels * cell + feature, channels_last ? s.channels : 1);
              }
      }
    });
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
