// SPDX-License-Identifier: MIT
// What conditions the model: time features, token embeddings, captions replaced by the empty one, their mean.
#pragma once
#include <algorithm>
#include <cmath>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/backend/cpu/arrays.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

struct Text {
  template <class T>
  static void time_features(std::int64_t n, std::int64_t width, const Stat<T>* t, T* features) {
    const std::int64_t half = width / 2;
    for (std::int64_t j = 0; j < half; ++j) {
      // Every intermediate result is rounded to float32, in upstream's order.
      const float frequency = std::exp(-std::log(10000.0f) * float(j) / float(half));
      for (std::int64_t i = 0; i < n; ++i) {
        const float angle = float(t[i]) * frequency;
        features[i * width + j] = T(std::cos(angle));
        features[i * width + half + j] = T(std::sin(angle));
      }
    }
    if (width % 2 != 0)
      for (std::int64_t i = 0; i < n; ++i) features[i * width + width - 1] = T(0);
  }

  template <class T>
  static void embedding(std::int64_t n, std::int64_t width, const std::int32_t* ids, const T* table, T* y) {
    parallel_for(n, rows_per_piece(width), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) array(y + i * width, width) = array(table + ids[i] * width, width);
    });
  }
  template <class T>
  static void embedding_dx(std::int64_t n, std::int64_t width, const std::int32_t* ids, const T* dy, T* dtable) {
    // Ids repeat, so the threads share out columns, not rows.
    parallel_for(width, 64, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = 0; i < n; ++i)
        array(dtable + ids[i] * width + begin, end - begin) += array(dy + i * width + begin, end - begin);
    });
  }

  template <class T>
  static void replace_dropped(std::int64_t batch, std::int64_t tokens, std::int64_t channels, const std::int32_t* drop,
                              const T* table, const T* x, T* y) {
    const std::int64_t n = tokens * channels;
    for (std::int64_t b = 0; b < batch; ++b) std::copy_n(drop[b] ? table : x + b * n, n, y + b * n);
  }
  template <class T>
  static void replace_dropped_dx(std::int64_t batch, std::int64_t tokens, std::int64_t channels,
                                 const std::int32_t* drop, const T* dy, T* dtable, T* dx) {
    const std::int64_t n = tokens * channels;
    for (std::int64_t b = 0; b < batch; ++b) {
      const auto g = array(dy + b * n, n);
      if (dtable && drop[b]) array(dtable, n) += g;
      if (!dx) continue;
      if (drop[b])
        array(dx + b * n, n).setZero();
      else
        array(dx + b * n, n) = g;
    }
  }

  template <class T>
  static void masked_mean(std::int64_t batch, std::int64_t tokens, std::int64_t channels, const std::int32_t* lengths,
                          const T* x, T* y) {
    for (std::int64_t b = 0; b < batch; ++b) {
      const std::int64_t n = lengths ? std::clamp<std::int64_t>(lengths[b], 1, tokens) : tokens;
      auto mean = array(y + b * channels, channels);
      mean.setZero();
      for (std::int64_t l = 0; l < n; ++l) mean += array(x + (b * tokens + l) * channels, channels);
      mean /= T(n);
    }
  }
  template <class T>
  static void masked_mean_dx(std::int64_t batch, std::int64_t tokens, std::int64_t channels,
                             const std::int32_t* lengths, const T* dy, T* dx) {
    for (std::int64_t b = 0; b < batch; ++b) {
      const std::int64_t n = lengths ? std::clamp<std::int64_t>(lengths[b], 1, tokens) : tokens;
      for (std::int64_t l = 0; l < tokens; ++l) {
        auto d = array(dx + (b * tokens + l) * channels, channels);
        if (l < n)
          d = array(dy + b * channels, channels) / T(n);
        else
          d.setZero();
      }
    }
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
