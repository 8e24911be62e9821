// SPDX-License-Identifier: MIT
// Softmax attention in bf16 on matrix units (mma.sync, sm_80 and later), with a running maximum (Milakov & Gimelshein
// 2018; Dao et al. 2022). A warp owns 16 queries; keys and values come in tiles of 64, one ahead of the arithmetic;
// weights go from the first product to the second in registers, as bf16.
#pragma once
#include <modelgrow/backend/cuda/attention_mma_tiles.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

template <int Dim>
struct AttentionMma {
  using Tiles = MatrixTiles<Dim>;
  using Stage = MatrixStage<Dim>;  // keys and values; rows of queries before the first tile, of results after the last
  using Copy = typename Tiles::Copy;
  static constexpr int warps = Dim > 72 ? 4 : 6, threads = warps * warp_size, resident_blocks = 2;
  static constexpr int rows = warps * Tiles::warp_rows, columns = Stage::tile_rows;
  static_assert(rows <= 2 * Stage::tile_rows);
  struct Shared {
    Stage stages[2];
  };
  AttentionSize size;
  float scale;
  const std::int32_t* lengths;
  const bf16 *q, *k, *v;
  bf16* out;
  float* lse;
  MODELGROW_HOST_DEVICE Index tiles() const { return ceil_div(size.queries, rows); }
  MODELGROW_HOST_DEVICE Index blocks() const { return attention_problems(size) * tiles(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index work = dev.block(); work < blocks(); work += dev.blocks()) {
      tile(dev, shared, AttentionProblem::of(size, work / tiles()), int(work % tiles()) * rows);
      dev.sync();
    }
  }

 private:
  static constexpr float nothing = -std::numeric_limits<float>::infinity();  // the score of a masked key

  /// What a lane knows of its two rows.
  struct Softmax {
    float top[2] = {nothing, nothing}, total[2] = {0, 0};
    typename Tiles::Sums sums{};
  };

  template <class Dev>
  MODELGROW_DEVICE void tile(Dev dev, Shared& shared, AttentionProblem problem, int first) const {
    const int keys = int(problem.valid_keys(size, lengths)), queries = int(size.queries);
    const Index at = problem.offset(size, size.kv);
    const auto fetch = [&](Stage& stage, int step) {
      Tiles::template fetch<threads, columns>(dev, int(size.kv.token), step * columns, keys,
                                              Copy{stage.first(), k + at}, Copy{stage.second(), v + at});
    };
    Tiles::template fetch<threads, rows>(dev, int(size.q.token), first, queries,
                                         Copy{shared.stages[1].first(), q + problem.offset(size, size.q)});
    dev.commit_copies();
    fetch(shared.stages[0], 0);
    dev.commit_copies();
    dev.template wait_copies<1>();
    dev.sync();
    const int in_tile = warp(dev) * Tiles::warp_rows;
    typename Tiles::Rows own;
    own.load(dev, shared.stages[1].first(in_tile));
    const bool has_rows = first + in_tile < queries;
    const int steps = int(ceil_div(keys, columns));
    Softmax softmax;
    stream_tiles(dev, shared.stages, steps, fetch, [&](Stage& stage, int step) {
      if (has_rows) take(dev, stage, own, least(columns, keys - step * columns), softmax);
    });
    if (has_rows) finish(dev, softmax, shared.stages[steps % 2].first(in_tile), problem, first + in_tile);
  }
  /// Adds a tile, of which the first `valid` keys count.
  template <class Dev>
  MODELGROW_DEVICE void take(Dev dev, Stage& stage, const typename Tiles::Rows& queries, int valid,
                             Softmax& softmax) const {
    const float scale2 = scale * log2_e;
    FragmentC scores[columns / 8];
    Tiles::multiply(dev, queries, stage.first(), scores);
    if (valid < columns)
      for (int n = 0; n < columns / 8; ++n)
        for (int r = 0; r < FragmentC::registers; ++r)
          if (8 * n + FragmentC::column(lane(dev), r) >= valid) scores[n].at[r] = nothing;
    for (int half = 0; half < 2; ++half) {
      float highest = softmax.top[half];  // finite from here on: the first key of a tile is valid
      for (int n = 0; n < columns / 8; ++n)
        highest = dev.max(highest, dev.max(scores[n].at[2 * half], scores[n].at[2 * half + 1]));
      for (int mask = 1; mask < 4; mask *= 2) highest = dev.max(highest, dev.shuffle_xor(highest, mask));
      const float correction = dev.exp2((softmax.top[half] - highest) * scale2), shift = highest * scale2;
      softmax.top[half] = highest;
      softmax.total[half] *= correction;
      for (int c = 0; c < Tiles::chunks; ++c)
        for (int r = 2 * half; r < 2 * half + 2; ++r) softmax.sums.at[c].at[r] *= correction;
      for (int n = 0; n < columns / 8; ++n)
        for (int r = 2 * half; r < 2 * half + 2; ++r) {
          scores[n].at[r] = dev.exp2(scores[n].at[r] * scale2 - shift);
          softmax.total[half] += scores[n].at[r];
        }
    }
    Tiles::accumulate(dev, scores, stage.second(), softmax.sums);
  }
  template <class Dev>
  MODELGROW_DEVICE void finish(Dev dev, Softmax& softmax, bf16* own_rows, AttentionProblem problem, int own) const {
    float share[2];
    for (int half = 0; half < 2; ++half) {
      float total = softmax.total[half];
      for (int mask = 1; mask < 4; mask *= 2) total += dev.shuffle_xor(total, mask);
      share[half] = 1 / total;
      const int row = own + FragmentC::row(lane(dev), 2 * half);
      if (lane(dev) % 4 == 0 && row < size.queries)
        lse[problem.number * size.queries + row] = softmax.top[half] * scale + dev.log(total);
    }
    Tiles::store(dev, softmax.sums, share, own_rows, out + problem.offset(size, size.out), int(size.out.token), own,
                 int(size.queries));
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
