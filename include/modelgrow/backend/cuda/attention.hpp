// SPDX-License-Identifier: MIT
// Softmax attention with a running maximum (Milakov & Gimelshein 2018; Dao et al. 2022): scores live in registers, one
// tile of 32 keys at a time.
#pragma once
#include <modelgrow/backend/cuda/attention_tiles.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

template <class T, int Dim>
struct Attention {
  using A = Stat<T>;
  using Tiles = AttentionTiles<T, Dim>;
  static constexpr int threads = Tiles::threads;
  static constexpr int warp_rows = Tiles::warp_rows;
  struct Shared {
    typename Tiles::Rows queries;
    typename Tiles::Columns keys, values;
    typename Tiles::Weights weights;
  };
  AttentionSize size;
  A scale;
  const std::int32_t* lengths;
  const T *q, *k, *v;
  T* out;
  A* lse;
  MODELGROW_HOST_DEVICE Index tiles() const { return ceil_div(size.queries, Tiles::rows); }
  MODELGROW_HOST_DEVICE Index blocks() const { return attention_problems(size) * tiles(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index work = dev.block(); work < blocks(); work += dev.blocks())
      tile(dev, shared, AttentionProblem::of(size, work / tiles()), work % tiles() * Tiles::rows);
  }

 private:
  static constexpr A nothing = -std::numeric_limits<A>::infinity();  // the score of a masked key

  template <class Dev>
  MODELGROW_DEVICE void tile(Dev dev, Shared& shared, AttentionProblem problem, Index first) const {
    const int width = int(size.head_dim);
    const Index keys = problem.valid_keys(size, lengths), at = problem.offset(size, size.kv);
    Tiles::load(dev, shared.queries, Tiles::rows, q + problem.offset(size, size.q), size.q.token, first, size.queries,
                width);
    A sums[warp_rows][Tiles::slices] = {}, top[warp_rows], total[warp_rows];
    for (int r = 0; r < warp_rows; ++r) {
      top[r] = nothing;
      total[r] = 0;
    }
    for (Index key = 0; key < keys; key += Tiles::columns) {
      Tiles::load(dev, shared.keys, Tiles::columns, k + at, size.kv.token, key, keys, width);
      Tiles::load(dev, shared.values, Tiles::columns, v + at, size.kv.token, key, keys, width);
      dev.sync();
      A scores[warp_rows];
      Tiles::multiply(dev, shared.queries, shared.keys, width, scores);
      const bool valid = key + lane(dev) < keys;
      for (int r = 0; r < warp_rows; ++r) {
        const A score = valid ? scores[r] * scale : nothing;
        const A highest = greatest(top[r], warp_max(dev, score));  // finite: the first key of a tile is valid
        const A correction = dev.exp(top[r] - highest), weight = dev.exp(score - highest);
        top[r] = highest;
        total[r] = total[r] * correction + weight;
        for (int e = 0; e < Tiles::slices; ++e) sums[r][e] *= correction;
        shared.weights.at[warp(dev) * warp_rows + r][lane(dev)] = weight;
      }
      dev.sync_warp();
      Tiles::accumulate(dev, shared.weights, shared.values, width, sums);
      dev.sync();
    }
    for (int r = 0; r < warp_rows; ++r) {
      total[r] = warp_sum(dev, total[r]);
      const Index row = first + warp(dev) * warp_rows + r;
      if (lane(dev) == 0 && row < size.queries) lse[problem.number * size.queries + row] = top[r] + dev.log(total[r]);
      total[r] = A(1) / total[r];
    }
    Tiles::store(dev, sums, total, out + problem.offset(size, size.out), size.out.token, first, size.queries, width);
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
