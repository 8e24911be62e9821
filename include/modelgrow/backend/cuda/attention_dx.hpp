// SPDX-License-Identifier: MIT
// The backward pass of attention, without atomics: one kernel owns tiles of queries (dq), one owns tiles of keys (dk,
// dv); both compute the weights p = exp(score - lse) again, and ds = p (dout v - delta) with delta = dout out.
#pragma once
#include <modelgrow/backend/cuda/attention_tiles.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// delta[problem, query] = sum_c dout[c] out[c], a warp for each.
template <class T>
struct AttentionDelta {
  AttentionSize size;
  const T *out, *dout;
  Stat<T>* delta;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const AttentionProblem problem = AttentionProblem::of(size, i / size.queries);
    const Index at = problem.offset(size, size.out) + i % size.queries * size.out.token;
    Stat<T> sum = 0;
    for (Index c = lane(dev); c < size.head_dim; c += warp_size)
      sum += dev.widen(out[at + c]) * dev.widen(dout[at + c]);
    sum = warp_sum(dev, sum);
    if (lane(dev) == 0) delta[i] = sum;
  }
};

/// What both kernels read.
template <class T>
struct AttentionBackwardInput {
  AttentionSize size;
  Stat<T> scale;
  const std::int32_t* lengths;
  const T *q, *k, *v, *dout;
  const Stat<T>*lse, *delta;
};

template <class T, int Dim>
struct AttentionDq {
  using A = Stat<T>;
  using Tiles = AttentionTiles<T, Dim>;
  static constexpr int threads = Tiles::threads;
  static constexpr int warp_rows = Tiles::warp_rows;
  struct Shared {
    typename Tiles::Rows queries, douts;
    typename Tiles::Columns keys, values;
    typename Tiles::Weights ds;
  };
  AttentionBackwardInput<T> in;
  T* dq;
  MODELGROW_HOST_DEVICE Index tiles() const { return ceil_div(in.size.queries, Tiles::rows); }
  MODELGROW_HOST_DEVICE Index blocks() const { return attention_problems(in.size) * tiles(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index work = dev.block(); work < blocks(); work += dev.blocks())
      tile(dev, shared, AttentionProblem::of(in.size, work / tiles()), work % tiles() * Tiles::rows);
  }

 private:
  template <class Dev>
  MODELGROW_DEVICE void tile(Dev dev, Shared& shared, AttentionProblem problem, Index first) const {
    const AttentionSize& size = in.size;
    const int width = int(size.head_dim);
    const Index keys = problem.valid_keys(size, in.lengths), at = problem.offset(size, size.kv);
    const Index at_q = problem.offset(size, size.q), at_out = problem.offset(size, size.out);
    Tiles::load(dev, shared.queries, Tiles::rows, in.q + at_q, size.q.token, first, size.queries, width);
    Tiles::load(dev, shared.douts, Tiles::rows, in.dout + at_out, size.out.token, first, size.queries, width);
    A sums[warp_rows][Tiles::slices] = {}, lse[warp_rows], delta[warp_rows], scale[warp_rows];
    for (int r = 0; r < warp_rows; ++r) {
      const Index row = least(first + warp(dev) * warp_rows + r, size.queries - 1);
      lse[r] = in.lse[problem.number * size.queries + row];
      delta[r] = in.delta[problem.number * size.queries + row];
      scale[r] = in.scale;
    }
    for (Index key = 0; key < keys; key += Tiles::columns) {
      Tiles::load(dev, shared.keys, Tiles::columns, in.k + at, size.kv.token, key, keys, width);
      Tiles::load(dev, shared.values, Tiles::columns, in.v + at, size.kv.token, key, keys, width);
      dev.sync();
      A scores[warp_rows], dp[warp_rows];
      Tiles::multiply(dev, shared.queries, shared.keys, width, scores);
      Tiles::multiply(dev, shared.douts, shared.values, width, dp);
      const bool valid = key + lane(dev) < keys;
      for (int r = 0; r < warp_rows; ++r)
        shared.ds.at[warp(dev) * warp_rows + r][lane(dev)] =
            valid ? dev.exp(scores[r] * in.scale - lse[r]) * (dp[r] - delta[r]) : A(0);
      dev.sync_warp();
      Tiles::accumulate(dev, shared.ds, shared.keys, width, sums);
      dev.sync();
    }
    Tiles::store(dev, sums, scale, dq + at_q, size.q.token, first, size.queries, width);
  }
};

template <class T, int Dim>
struct AttentionDkv {
  using A = Stat<T>;
  using Tiles = AttentionTiles<T, Dim>;
  static constexpr int threads = Tiles::threads;
  static constexpr int warp_rows = Tiles::warp_rows;
  struct Shared {
    typename Tiles::Rows keys, values;
    typename Tiles::Columns queries, douts;
    typename Tiles::Weights p, ds;
  };
  AttentionBackwardInput<T> in;
  T *dk, *dv;
  MODELGROW_HOST_DEVICE Index tiles() const { return ceil_div(in.size.keys, Tiles::rows); }
  MODELGROW_HOST_DEVICE Index blocks() const { return attention_problems(in.size) * tiles(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index work = dev.block(); work < blocks(); work += dev.blocks())
      tile(dev, shared, AttentionProblem::of(in.size, work / tiles()), work % tiles() * Tiles::rows);
  }

 private:
  template <class Dev>
  MODELGROW_DEVICE void tile(Dev dev, Shared& shared, AttentionProblem problem, Index first) const {
    const AttentionSize& size = in.size;
    const int width = int(size.head_dim);
    const Index keys = problem.valid_keys(size, in.lengths), at = problem.offset(size, size.kv);
    const Index at_q = problem.offset(size, size.q), at_out = problem.offset(size, size.out);
    Tiles::load(dev, shared.keys, Tiles::rows, in.k + at, size.kv.token, first, keys, width);
    Tiles::load(dev, shared.values, Tiles::rows, in.v + at, size.kv.token, first, keys, width);
    A key_sums[warp_rows][Tiles::slices] = {}, value_sums[warp_rows][Tiles::slices] = {};
    // A tile of masked keys has nothing to sum and stores zeros.
    for (Index query = 0; query < size.queries && first < keys; query += Tiles::columns) {
      Tiles::load(dev, shared.queries, Tiles::columns, in.q + at_q, size.q.token, query, size.queries, width);
      Tiles::load(dev, shared.douts, Tiles::columns, in.dout + at_out, size.out.token, query, size.queries, width);
      dev.sync();
      A scores[warp_rows], dp[warp_rows];
      Tiles::multiply(dev, shared.keys, shared.queries, width, scores);
      Tiles::multiply(dev, shared.values, shared.douts, width, dp);
      const bool present = query + lane(dev) < size.queries;
      const Index row = problem.number * size.queries + least(query + lane(dev), size.queries - 1);
      const A lse = in.lse[row], delta = in.delta[row];
      for (int r = 0; r < warp_rows; ++r) {
        const int own = warp(dev) * warp_rows + r;
        const A p = present && first + own < keys ? dev.exp(scores[r] * in.scale - lse) : A(0);
        shared.p.at[own][lane(dev)] = p;
        shared.ds.at[own][lane(dev)] = p * (dp[r] - delta);
      }
      dev.sync_warp();
      Tiles::accumulate(dev, shared.ds, shared.queries, width, key_sums);
      Tiles::accumulate(dev, shared.p, shared.douts, width, value_sums);
      dev.sync();
    }
    A scale[warp_rows], one[warp_rows];
    for (int r = 0; r < warp_rows; ++r) {
      scale[r] = in.scale;
      one[r] = 1;
    }
    Tiles::store(dev, key_sums, scale, dk + at, size.kv.token, first, size.keys, width);
    Tiles::store(dev, value_sums, one, dv + at, size.kv.token, first, size.keys, width);
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
