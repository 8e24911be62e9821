// SPDX-License-Identifier: MIT
// What forward and backward attention share: the list of softmax problems, blocks copied into contiguous scratch, and
// the softmax of a block. Scores are kept with keys as rows and queries as columns, so that every reduction over keys
// runs down the vector lanes.
#pragma once
#include <algorithm>
#include <cmath>
#include <memory>
#include <new>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/backend/cpu/tile.hpp>
#include <modelgrow/backend/cpu/transpose.hpp>
#include <modelgrow/core/parallel.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

/// One softmax attention: offsets of its first query, key, output and statistic, and its number of valid keys.
struct AttentionProblem {
  std::int64_t q, kv, out, lse, keys;
};

inline AttentionProblem attention_problem(const AttentionSize& s, const std::int32_t* lengths, std::int64_t i) {
  const std::int64_t b = i / (s.groups * s.heads), g = i / s.heads % s.groups, h = i % s.heads;
  const auto offset = [&](const AttentionSize::Strides& t) { return b * t.batch + g * t.group + h * s.head_dim; };
  return {.q = offset(s.q),
          .kv = offset(s.kv),
          .out = offset(s.out),
          .lse = i * s.queries,
          .keys = lengths ? std::clamp<std::int64_t>(lengths[b], 1, s.keys) : s.keys};
}

/// make_worker() makes a worker; worker(problem, next) runs for every (batch, group, head), in parallel. The worker
/// fetches what the next problem will read into the cache: heads are short strided rows, which hardware foresees badly.
template <class MakeWorker>
void for_attention_problems(const AttentionSize& s, const std::int32_t* lengths, MakeWorker make_worker) {
  const std::int64_t problems = s.batch * s.groups * s.heads;
  parallel_for(problems, 1 + problems / 256, [&](std::int64_t begin, std::int64_t end) {
    auto worker = make_worker();
    AttentionProblem next = attention_problem(s, lengths, begin);
    for (std::int64_t i = begin; i < end; ++i) {
      const AttentionProblem problem = next;
      if (i + 1 < problems) next = attention_problem(s, lengths, i + 1);
      worker(problem, next);
    }
  });
}

/// Block sizes of an attention, and memory for its blocks: a score block and its neighbours fit the second-level cache.
template <class T>
struct AttentionBlocks {
  static constexpr std::int64_t most_queries = 64, most_keys = 128;
  std::int64_t head_dim, width, queries, keys;

  explicit AttentionBlocks(const AttentionSize& s)
      : head_dim(s.head_dim),
        width(padded<T>(s.head_dim)),
        queries(padded<T>(std::min(most_queries, s.queries))),
        keys(std::min(most_keys, s.keys)) {}
};

/// Scratch cut into 64-byte aligned arrays; sizes in values.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t size)
      : memory_(new (std::align_val_t{64}) T[std::size_t(size)]()), next_(memory_.get()) {}
  T* take(std::int64_t size) {
    T* p = next_;
    next_ += rounded(size);
    return p;
  }
  static constexpr std::int64_t rounded(std::int64_t size) { return (size + 15) / 16 * 16; }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<T[], Free> memory_;
  T* next_;
};

/// to[i * width + c] = factor * from[i * stride + c], c < columns; the values `ahead` of them are fetched into the
/// cache. Padding is left alone: it was zeroed once.
template <class T>
void copy_rows(std::int64_t rows, std::int64_t columns, T factor, const T* from, std::int64_t stride,
               std::int64_t ahead, T* to, std::int64_t width) {
  constexpr std::int64_t line = 64 / sizeof(T);
  const Vector<T> f = broadcast(factor);
  for (std::int64_t i = 0; i < rows; ++i, from += stride, to += width) {
    std::int64_t c = 0;
    for (; c < columns; c += line) __builtin_prefetch(from + ahead + c, 0, 2);
    c = 0;
    for (; c + lanes<T> <= columns; c += lanes<T>) store(to + c, Eigen::internal::pmul(f, load(from + c)));
    for (; c < columns; ++c) to[c] = factor * from[c];
  }
}

/// from[i * width + c] * factor(i) back into strided rows.
template <class T, class Factor>
void write_rows(std::int64_t rows, std::int64_t columns, const Factor& factor, const T* from, std::int64_t width, T* to,
                std::int64_t stride) {
  for (std::int64_t i = 0; i < rows; ++i, from += width, to += stride) {
    const T f = factor(i);
    const Vector<T> vf = broadcast(f);
    std::int64_t c = 0;
    for (; c + lanes<T> <= columns; c += lanes<T>) store(to + c, Eigen::internal::pmul(vf, load(from + c)));
    for (; c < columns; ++c) to[c] = f * from[c];
  }
}

/// A block of queries (or output gradients) as rows and transposed; rows behind the last one are zero.
template <class T>
void copy_block(std::int64_t rows, std::int64_t block, std::int64_t columns, T factor, const T* from,
                std::int64_t stride, std::int64_t ahead, T* as_rows, T* as_columns, std::int64_t width) {
  copy_rows(rows, columns, factor, from, stride, ahead, as_rows, width);
  std::fill(as_rows + rows * width, as_rows + block * width, T(0));
  transpose(block, width, as_rows, width, as_columns, block);
}

/// The running softmax of a block of queries: largest score and sum of exponentials so far, and the factor that sums
/// made before the last block of keys must be multiplied with.
template <class T>
struct RunningSoftmax {
  std::int64_t queries;  // whole vectors
  T *top, *total, *shrink;

  /// scores[keys][queries] of the next keys become exp(score - top).
  void add(std::int64_t keys, T* scores, bool first) const {
    using namespace Eigen::internal;
    for (std::int64_t i = 0; i < queries; i += lanes<T>) {
      T* s = scores + i;
      const Vector<T> before = first ? load(s) : load(top + i);
      Vector<T> most = before;
      for (std::int64_t j = 0; j < keys; ++j) most = pmax(most, load(s + j * queries));
      const Vector<T> less = pexp(psub(before, most));
      Vector<T> sum = first ? broadcast(T(0)) : pmul(load(total + i), less);
      for (std::int64_t j = 0; j < keys; ++j) {
        const Vector<T> e = pexp(psub(load(s + j * queries), most));
        store(s + j * queries, e);
        sum = padd(sum, e);
      }
      store(top + i, most);
      store(total + i, sum);
      store(shrink + i, less);
    }
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
