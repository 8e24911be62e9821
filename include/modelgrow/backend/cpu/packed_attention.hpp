// SPDX-License-Identifier: MIT
// Softmax attention inside sequences of unequal length that lie one behind the other: no padding is computed. The query
// heads that share a key head are one problem, so that short sequences fill the tiles and keys are read once.
#pragma once
#include <limits>

#include <modelgrow/backend/cpu/arrays.hpp>
#include <modelgrow/backend/cpu/attention_problem.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

/// One (sequence, key head) after the other, in scratch of its own. Row r of a problem is head r % group at position
/// r / group, so a block of rows sees a contiguous run of positions.
template <class T>
class PackedAttentionWorker {
 public:
  PackedAttentionWorker(const PackedAttentionSize& s, std::int64_t longest, const T* q, const T* k, const T* v,
                        const T* bias, T* out)
      : s_(s),
        longest_(longest),
        q_(q),
        k_(k),
        v_(v),
        bias_(bias),
        out_(out),
        scratch_(2 * Scratch<T>::rounded(longest * width_) + 3 * Scratch<T>::rounded(rows_ * width_) +
                 Scratch<T>::rounded(keys_ * rows_) + 3 * Scratch<T>::rounded(rows_)) {}

  void operator()(std::int64_t first, std::int64_t tokens, std::int64_t kv_head) {
    const std::int64_t d = s_.head_dim;
    before_ = first < s_.prefix ? 0 : s_.prefix;
    copy_keys(0, before_, kv_head, 0);
    copy_keys(first, tokens, kv_head, before_);
    const std::int64_t query = first * s_.heads * d + kv_head * group_ * d;  // of q and of out
    for (std::int64_t row = 0; row < tokens * group_; row += rows_) {
      const std::int64_t rows = std::min(rows_, tokens * group_ - row);
      const std::int64_t block = padded<T>(rows);
      for_heads(row, rows, query, [&](std::int64_t r, std::int64_t heads, std::int64_t at) {
        copy_rows(heads, d, T(s_.scale), q_ + at, d, 0, queries_ + r * width_, width_);
      });
      std::fill(queries_ + rows * width_, queries_ + block * width_, T(0));
      transpose(block, width_, queries_, width_, columns_, block);
      const RunningSoftmax<T> softmax{block, top_, total_, shrink_};
      const std::int64_t seen = before_ + (s_.sight == Sight::causal ? (row + rows - 1) / group_ + 1 : tokens);
      for (std::int64_t j = 0; j < seen; j += keys_) {
        const std::int64_t keys = std::min(keys_, seen - j);
        multiply_small<T>(keys, block, d, {key_ + j * width_, width_, 1}, {columns_, block}, {scores_, block}, false);
        if (bias_) add_bias(kv_head, row, rows, block, j, keys);
        if (s_.sight == Sight::causal) hide_future(row, block, j, keys);
        softmax.add(keys, scores_, j == 0);
        if (j > 0)
          write_rows(
              rows, width_, [&](std::int64_t r) { return shrink_[r]; }, sums_, width_, sums_, width_);
        multiply_small<T>(rows, width_, keys, {scores_, 1, block}, {value_ + j * width_, width_}, {sums_, width_},
                          j > 0);
      }
      array(total_, rows) = array(total_, rows).inverse();
      for_heads(row, rows, query, [&](std::int64_t r, std::int64_t heads, std::int64_t at) {
        write_rows(
            heads, d, [&](std::int64_t i) { return total_[r + i]; }, sums_ + r * width_, width_, out_ + at, d);
      });
    }
  }

 private:
  /// Keys and values of tokens [first, first + tokens) become rows `to` and following.
  void copy_keys(std::int64_t first, std::int64_t tokens, std::int64_t kv_head, std::int64_t to) {
    const std::int64_t d = s_.head_dim, stride = s_.kv_heads * d, at = first * stride + kv_head * d;
    copy_rows(tokens, d, T(1), k_ + at, stride, 0, key_ + to * width_, width_);
    copy_rows(tokens, d, T(1), v_ + at, stride, 0, value_ + to * width_, width_);
  }
  /// f(row in the block, heads, offset of the first head) for each position's run of rows: heads lie side by side.
  template <class F>
  void for_heads(std::int64_t row, std::int64_t rows, std::int64_t query, F f) const {
    for (std::int64_t r = 0; r < rows;) {
      const std::int64_t position = (row + r) / group_, head = (row + r) % group_;
      const std::int64_t heads = std::min(group_ - head, rows - r);
      f(r, heads, query + (position * s_.heads + head) * s_.head_dim);
      r += heads;
    }
  }
  void add_bias(std::int64_t kv_head, std::int64_t row, std::int64_t rows, std::int64_t block, std::int64_t j,
                std::int64_t keys) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t head = kv_head * group_ + (row + r) % group_, position = before_ + (row + r) / group_;
      const T* bias = bias_ + head * (2 * s_.reach + 1) + s_.reach + j - position;
      for (std::int64_t i = 0; i < keys; ++i) scores_[i * block + r] += bias[i];
    }
  }
  /// Keys behind a row's position take no part; key 0 is never hidden, so no row is empty.
  void hide_future(std::int64_t row, std::int64_t block, std::int64_t j, std::int64_t keys) {
    const std::int64_t own = j - before_;  // the first of these keys, counted among the sequence's own
    for (std::int64_t i = std::max<std::int64_t>(0, row / group_ - own + 1); i < keys; ++i)
      std::fill_n(scores_ + i * block, std::min(block, (own + i) * group_ - row), -std::numeric_limits<T>::infinity());
  }

  const PackedAttentionSize& s_;
  std::int64_t longest_, before_ = 0;  // most keys of a sequence; keys of the prefix that this one sees
  const T *q_, *k_, *v_, *bias_;
  T* out_;
  std::int64_t group_ = s_.heads / s_.kv_heads, width_ = padded<T>(s_.head_dim);
  std::int64_t rows_ = padded<T>(std::min<std::int64_t>(64, longest_* group_));
  std::int64_t keys_ = std::min<std::int64_t>(128, longest_);
  Scratch<T> scratch_;
  T* key_ = scratch_.take(longest_ * width_);    // [tokens, width]
  T* value_ = scratch_.take(longest_ * width_);  // [tokens, width]
  T* queries_ = scratch_.take(rows_ * width_);   // scaled [rows, width]
  T* columns_ = scratch_.take(rows_ * width_);   // and transposed
  T* sums_ = scratch_.take(rows_ * width_);      // outputs before division [rows, width]
  T* scores_ = scratch_.take(keys_ * rows_);
  T* top_ = scratch_.take(rows_);
  T* total_ = scratch_.take(rows_);
  T* shrink_ = scratch_.take(rows_);
};

struct PackedAttention {
  template <class T>
  static void packed_attention(const PackedAttentionSize& s, const std::int64_t* begins, const T* q, const T* k,
                               const T* v, const T* bias, T* out) {
    std::int64_t longest = 1;
    for (std::int64_t i = 0; i < s.sequences; ++i)
      longest = std::max(longest, begins[i + 1] - begins[i] + (i > 0 ? s.prefix : 0));
    const std::int64_t problems = s.sequences * s.kv_heads;
    parallel_for(problems, 1 + problems / 256, [&](std::int64_t begin, std::int64_t end) {
      PackedAttentionWorker<T> worker(s, longest, q, k, v, bias, out);
      for (std::int64_t p = begin; p < end; ++p) {
        const std::int64_t* sequence = begins + p / s.kv_heads;
        worker(sequence[0], sequence[1] - sequence[0], p % s.kv_heads);
      }
    });
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
