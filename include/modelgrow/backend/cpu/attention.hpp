// SPDX-License-Identifier: MIT
// Blocked softmax attention with an online softmax (Dao et al. 2022): scores exist for one block of queries and keys
// at a time, and the backward pass computes them again from the saved log-denominators.
#pragma once
#include <modelgrow/backend/cpu/arrays.hpp>
#include <modelgrow/backend/cpu/attention_problem.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

/// Forward attention of one problem after the other, in scratch of its own.
template <class T>
class AttentionForward {
 public:
  AttentionForward(const AttentionSize& s, const T* q, const T* k, const T* v, T* out, T* lse)
      : s_(s),
        n_(s),
        q_(q),
        k_(k),
        v_(v),
        out_(out),
        lse_(lse),
        scratch_(2 * keys_size() + 3 * queries_size() + Scratch<T>::rounded(n_.keys * n_.queries) +
                 3 * Scratch<T>::rounded(n_.queries)) {}

  void operator()(const AttentionProblem& p, const AttentionProblem& next) {
    const T scale = T(1) / std::sqrt(T(n_.head_dim));
    copy_rows(p.keys, n_.head_dim, T(1), k_ + p.kv, s_.kv.token, next.kv - p.kv, keys_, n_.width);
    copy_rows(p.keys, n_.head_dim, T(1), v_ + p.kv, s_.kv.token, next.kv - p.kv, values_, n_.width);
    for (std::int64_t i = 0; i < s_.queries; i += n_.queries) {
      const std::int64_t rows = std::min(n_.queries, s_.queries - i);
      copy_block(rows, n_.queries, n_.head_dim, scale, q_ + p.q + i * s_.q.token, s_.q.token, next.q - p.q, rows_,
                 columns_, n_.width);
      for (std::int64_t j = 0; j < p.keys; j += n_.keys) {
        const std::int64_t keys = std::min(n_.keys, p.keys - j);
        multiply_small<T>(keys, n_.queries, n_.head_dim, {keys_ + j * n_.width, n_.width, 1}, {columns_, n_.queries},
                          {scores_, n_.queries}, false);
        softmax_.add(keys, scores_, j == 0);
        if (j > 0)
          write_rows(
              rows, n_.width, [&](std::int64_t r) { return softmax_.shrink[r]; }, sums_, n_.width, sums_, n_.width);
        multiply_small<T>(rows, n_.width, keys, {scores_, 1, n_.queries}, {values_ + j * n_.width, n_.width},
                          {sums_, n_.width}, j > 0);
      }
      array(lse_ + p.lse + i, rows) = array(softmax_.top, rows) + array(softmax_.total, rows).log();
      array(softmax_.total, rows) = array(softmax_.total, rows).inverse();
      write_rows(
          rows, n_.head_dim, [&](std::int64_t r) { return softmax_.total[r]; }, sums_, n_.width,
          out_ + p.out + i * s_.out.token, s_.out.token);
    }
  }

 private:
  std::int64_t keys_size() const { return Scratch<T>::rounded(s_.keys * n_.width); }
  std::int64_t queries_size() const { return Scratch<T>::rounded(n_.queries * n_.width); }

  const AttentionSize& s_;
  AttentionBlocks<T> n_;
  const T *q_, *k_, *v_;
  T *out_, *lse_;
  Scratch<T> scratch_;
  T* keys_ = scratch_.take(keys_size());        // [keys, width]
  T* values_ = scratch_.take(keys_size());      // [keys, width]
  T* rows_ = scratch_.take(queries_size());     // scaled queries [queries, width]
  T* columns_ = scratch_.take(queries_size());  // and transposed
  T* sums_ = scratch_.take(queries_size());     // outputs before division [queries, width]
  T* scores_ = scratch_.take(n_.keys * n_.queries);
  RunningSoftmax<T> softmax_{n_.queries, scratch_.take(n_.queries), scratch_.take(n_.queries),
                             scratch_.take(n_.queries)};
};

/// Backward attention of one problem after the other, in scratch of its own.
template <class T>
class AttentionBackward {
 public:
  AttentionBackward(const AttentionSize& s, const T* q, const T* k, const T* v, const T* out, const T* lse,
                    const T* dout, T* dq, T* dk, T* dv)
      : s_(s),
        n_(s),
        q_(q),
        k_(k),
        v_(v),
        out_(out),
        lse_(lse),
        dout_(dout),
        dq_(dq),
        dk_(dk),
        dv_(dv),
        scratch_(4 * keys_size() + 5 * queries_size() + 2 * Scratch<T>::rounded(n_.keys * n_.queries) +
                 2 * Scratch<T>::rounded(n_.queries)) {}

  void operator()(const AttentionProblem& p, const AttentionProblem& next) {
    const T scale = T(1) / std::sqrt(T(n_.head_dim));
    const std::int64_t w = n_.width, d = n_.head_dim;
    copy_rows(p.keys, d, T(1), k_ + p.kv, s_.kv.token, next.kv - p.kv, keys_, w);
    copy_rows(p.keys, d, T(1), v_ + p.kv, s_.kv.token, next.kv - p.kv, values_, w);
    for (std::int64_t i = 0; i < s_.queries; i += n_.queries) {
      const std::int64_t rows = std::min(n_.queries, s_.queries - i);
      const std::int64_t out = p.out + i * s_.out.token;
      copy_block(rows, n_.queries, d, scale, q_ + p.q + i * s_.q.token, s_.q.token, next.q - p.q, rows_, columns_, w);
      copy_block(rows, n_.queries, d, T(1), dout_ + out, s_.out.token, next.out - p.out, drows_, dcolumns_, w);
      statistics(rows, p.lse + i, out_ + out);
      for (std::int64_t j = 0; j < p.keys; j += n_.keys) {
        const std::int64_t keys = std::min(n_.keys, p.keys - j);
        T *k = keys_ + j * w, *v = values_ + j * w;
        multiply_small<T>(keys, n_.queries, d, {k, w, 1}, {columns_, n_.queries}, {scores_, n_.queries}, false);
        multiply_small<T>(keys, n_.queries, d, {v, w, 1}, {dcolumns_, n_.queries}, {dscores_, n_.queries}, false);
        softmax_dx(keys);
        multiply_small<T>(keys, w, rows, {scores_, n_.queries, 1}, {drows_, w}, {dvalues_ + j * w, w}, i > 0);
        multiply_small<T>(keys, w, rows, {dscores_, n_.queries, 1}, {rows_, w}, {dkeys_ + j * w, w}, i > 0);
        multiply_small<T>(rows, w, keys, {dscores_, 1, n_.queries}, {k, w}, {dqueries_, w}, j > 0);
      }
      write_rows(
          rows, d, [&](std::int64_t) { return scale; }, dqueries_, w, dq_ + p.q + i * s_.q.token, s_.q.token);
    }
    const auto one = [](std::int64_t) { return T(1); };
    write_rows(p.keys, d, one, dkeys_, w, dk_ + p.kv, s_.kv.token);
    write_rows(p.keys, d, one, dvalues_, w, dv_ + p.kv, s_.kv.token);
    for (std::int64_t j = p.keys; j < s_.keys; ++j) {
      std::fill_n(dk_ + p.kv + j * s_.kv.token, d, T(0));
      std::fill_n(dv_ + p.kv + j * s_.kv.token, d, T(0));
    }
  }

 private:
  std::int64_t keys_size() const { return Scratch<T>::rounded(s_.keys * n_.width); }
  std::int64_t queries_size() const { return Scratch<T>::rounded(n_.queries * n_.width); }

  // log-denominators and delta = sum_c out dout of a block of queries. Behind an infinite denominator
  // (join_attention with weight 0) no key gets anything, while pexp() of minus infinity is a little above 0.
  void statistics(std::int64_t rows, std::int64_t lse, const T* out) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const T *o = out + r * s_.out.token, *g = drows_ + r * n_.width;
      Vector<T> sum = broadcast(T(0));
      std::int64_t c = 0;
      for (; c + lanes<T> <= n_.head_dim; c += lanes<T>) sum = Eigen::internal::pmadd(load(o + c), load(g + c), sum);
      T delta = Eigen::internal::predux(sum);
      for (; c < n_.head_dim; ++c) delta += o[c] * g[c];
      delta_[r] = delta;
      top_[r] = lse_[lse + r];
      if (!std::isinf(top_[r])) continue;
      delta_[r] = 0;
      std::fill_n(drows_ + r * n_.width, n_.width, T(0));
      for (c = 0; c < n_.head_dim; ++c) dcolumns_[c * n_.queries + r] = 0;
    }
  }

  // scores become probabilities P, dscores become P (dP - delta).
  void softmax_dx(std::int64_t keys) {
    using namespace Eigen::internal;
    for (std::int64_t i = 0; i < n_.queries; i += lanes<T>) {
      const Vector<T> top = load(top_ + i), delta = load(delta_ + i);
      T *s = scores_ + i, *g = dscores_ + i;
      for (std::int64_t j = 0; j < keys; ++j, s += n_.queries, g += n_.queries) {
        const Vector<T> p = pexp(psub(load(s), top));
        store(s, p);
        store(g, pmul(p, psub(load(g), delta)));
      }
    }
  }

  const AttentionSize& s_;
  AttentionBlocks<T> n_;
  const T *q_, *k_, *v_, *out_, *lse_, *dout_;
  T *dq_, *dk_, *dv_;
  Scratch<T> scratch_;
  T* keys_ = scratch_.take(keys_size());  // [keys, width], as are the next three
  T* values_ = scratch_.take(keys_size());
  T* dkeys_ = scratch_.take(keys_size());
  T* dvalues_ = scratch_.take(keys_size());
  T* rows_ = scratch_.take(queries_size());      // scaled queries [queries, width]
  T* columns_ = scratch_.take(queries_size());   // and transposed
  T* drows_ = scratch_.take(queries_size());     // output gradients [queries, width]
  T* dcolumns_ = scratch_.take(queries_size());  // and transposed
  T* dqueries_ = scratch_.take(queries_size());
  T* scores_ = scratch_.take(n_.keys * n_.queries);
  T* dscores_ = scratch_.take(n_.keys * n_.queries);
  T* top_ = scratch_.take(n_.queries);
  T* delta_ = scratch_.take(n_.queries);
};

struct Attention {
  template <class T>
  static void attention(const AttentionSize& s, const std::int32_t* lengths, const T* q, const T* k, const T* v, T* out,
                        Stat<T>* lse) {
    for_attention_problems(s, lengths, [&] { return AttentionForward<T>(s, q, k, v, out, lse); });
  }
  template <class T>
  static void attention_dx(const AttentionSize& s, const std::int32_t* lengths, const T* q, const T* k, const T* v,
                           const T* out, const Stat<T>* lse, const T* dout, T* dq, T* dk, T* dv) {
    for_attention_problems(s, lengths, [&] { return AttentionBackward<T>(s, q, k, v, out, lse, dout, dq, dk, dv); });
  }
  template <class T>
  static void join_attention(const AttentionSize& s, const T* weight, const T* other, T* out, Stat<T>* lse,
                             Stat<T>* lse_other) {
    const Stat<T> bias = std::log(std::max(Stat<T>(0), Stat<T>(*weight)));
    parallel_for(s.batch * s.groups * s.heads, 1 + 4096 / s.queries, [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const AttentionProblem p = attention_problem(s, nullptr, i);
        for (std::int64_t q = 0; q < s.queries; ++q) {
          Stat<T>&a = lse[p.lse + q], &b = lse_other[p.lse + q];
          const Stat<T> lead = b + bias - a;  // minus infinity where the weight is 0
          const Stat<T> joint = std::max(a, b + bias) + std::log1p(std::exp(-std::abs(lead)));
          const std::int64_t at = p.out + q * s.out.token;
          array(out + at, s.head_dim) +=
              (array(other + at, s.head_dim) - array(out + at, s.head_dim)) * (1 / (1 + std::exp(-lead)));
          a = joint;
          b = joint - bias;
        }
      }
    });
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
