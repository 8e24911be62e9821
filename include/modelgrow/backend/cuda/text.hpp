// SPDX-License-Identifier: MIT
// What conditions the model: time features, token embeddings (their gradient without atomics), captions replaced by
// the empty one.
#pragma once
#include <modelgrow/backend/cuda/sums.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

template <class T>
struct Embedding {
  Index width;
  const std::int32_t* ids;
  const T* table;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev, Index i) const {
    y[i] = table[ids[i / width] * width + i % width];
  }
};

/// dtable[id] += sum of dy[i] over the i with that id, in ascending order. A block for each i; the block of the first
/// occurrence of an id sums for all, the others find an earlier one and leave.
template <class T>
struct EmbeddingDx {
  static constexpr int threads = block_threads;
  struct Shared {
    int earlier;
  };
  Index n, width;
  const std::int32_t* ids;
  const T* dy;
  Stat<T>* dtable;
  Index blocks() const { return n; }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index first = dev.block(); first < n; first += dev.blocks()) {
      const std::int32_t id = ids[first];
      if (dev.thread() == 0) shared.earlier = 0;
      dev.sync();
      for (Index i = dev.thread(); i < first; i += threads)
        if (ids[i] == id) shared.earlier = 1;  // every writer writes the same
      dev.sync();
      const bool mine = shared.earlier == 0;
      dev.sync();
      if (!mine) continue;
      for (Index c = dev.thread(); c < width; c += threads) {
        Stat<T> sum = 0;
        for (Index i = first; i < n; ++i)
          if (ids[i] == id) sum += dev.widen(dy[i * width + c]);
        put(dev, dtable + id * width + c, sum, Write::add);
      }
    }
  }
};

/// features[i] = [cos(t f_0) .., sin(t f_0) ..], f_j = 10000^(-j / half), in float32; the last of an odd width is zero.
template <class T>
struct TimeFeatures {
  Index width;
  const Stat<T>* t;
  T* features;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Index half = width / 2, j = i % width;
    float value = 0;
    if (j < 2 * half) {
      const float log_period = 9.210340371976184f;  // log 10000
      const float angle = float(t[i / width]) * dev.exp(-log_period * float(j % half) / float(half));
      value = j < half ? dev.cos(angle) : dev.sin(angle);
    }
    features[i] = dev.template narrow<T>(Stat<T>(value));
  }
};

/// y[b, l] = drop[b] ? table[l] : x[b, l].
template <class T>
struct ReplaceDropped {
  Index tokens, channels;
  const std::int32_t* drop;
  const T *table, *x;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev, Index i) const {
    const Index one = tokens * channels;
    y[i] = drop[i / one] ? table[i % one] : x[i];
  }
};
template <class T>
struct ReplaceDroppedDx {
  Index tokens, channels;
  const std::int32_t* drop;
  const T* dy;
  T* dx;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    dx[i] = drop[i / (tokens * channels)] ? dev.template narrow<T>(Stat<T>(0)) : dy[i];
  }
};

/// y[b, c] = mean of x[b, l, c] over the valid tokens.
template <class T>
struct MaskedMean {
  Index tokens, channels;
  const std::int32_t* lengths;
  const T* x;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Index b = i / channels, c = i % channels, n = valid_tokens(lengths, b, tokens);
    Stat<T> sum = 0;
    for (Index l = 0; l < n; ++l) sum += dev.widen(x[(b * tokens + l) * channels + c]);
    y[i] = dev.template narrow<T>(sum / Stat<T>(n));
  }
};
template <class T>
struct MaskedMeanDx {
  Index tokens, channels;
  const std::int32_t* lengths;
  const T* dy;
  T* dx;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Index b = i / (tokens * channels), l = i / channels % tokens, n = valid_tokens(lengths, b, tokens);
    const Stat<T> share = l < n ? dev.widen(dy[b * channels + i % channels]) / Stat<T>(n) : Stat<T>(0);
    dx[i] = dev.template narrow<T>(share);
  }
};

template <class Exec>
struct TextOperations {
  template <class T>
  static void time_features(Index n, Index width, const Stat<T>* t, T* features) {
    Exec::launch(ForEach<TimeFeatures<T>>{.n = n * width, .element = {.width = width, .t = t, .features = features}});
  }
  template <class T>
  static void embedding(Index n, Index width, const std::int32_t* ids, const T* table, T* y) {
    Exec::launch(
        ForEach<Embedding<T>>{.n = n * width, .element = {.width = width, .ids = ids, .table = table, .y = y}});
  }
  template <class T>
  static void embedding_dx(Index n, Index width, const std::int32_t* ids, const T* dy, Stat<T>* dtable) {
    Exec::launch(EmbeddingDx<T>{.n = n, .width = width, .ids = ids, .dy = dy, .dtable = dtable});
  }
  template <class T>
  static void replace_dropped(Index batch, Index tokens, Index channels, const std::int32_t* drop, const T* table,
                              const T* x, T* y) {
    Exec::launch(ForEach<ReplaceDropped<T>>{
        .n = batch * tokens * channels,
        .element = {.tokens = tokens, .channels = channels, .drop = drop, .table = table, .x = x, .y = y}});
  }
  template <class T>
  static void replace_dropped_dx(Index batch, Index tokens, Index channels, const std::int32_t* drop, const T* dy,
                                 Stat<T>* dtable, T* dx) {
    const Index entry = tokens * channels;
    if (dtable)
      add_column_sums<Exec, T>(ColumnSums{.groups = 1, .rows = batch, .columns = entry}, {dy},
                               DroppedTerm<T>{.columns = entry, .drop = drop, .x = dy}, {{dtable, nullptr}, 0, 1});
    if (dx)
      Exec::launch(ForEach<ReplaceDroppedDx<T>>{
          .n = batch * entry, .element = {.tokens = tokens, .channels = channels, .drop = drop, .dy = dy, .dx = dx}});
  }
  template <class T>
  static void masked_mean(Index batch, Index tokens, Index channels, const std::int32_t* lengths, const T* x, T* y) {
    Exec::launch(ForEach<MaskedMean<T>>{
        .n = batch * channels,
        .element = {.tokens = tokens, .channels = channels, .lengths = lengths, .x = x, .y = y}});
  }
  template <class T>
  static void masked_mean_dx(Index batch, Index tokens, Index channels, const std::int32_t* lengths, const T* dy,
                             T* dx) {
    Exec::launch(ForEach<MaskedMeanDx<T>>{
        .n = batch * tokens * channels,
        .element = {.tokens = tokens, .channels = channels, .lengths = lengths, .dy = dy, .dx = dx}});
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
