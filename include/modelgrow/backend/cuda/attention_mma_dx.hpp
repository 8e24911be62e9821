// SPDX-License-Identifier: MIT
// The gradient of queries in bf16 on matrix units: dq = scale ds k with ds = p (dout v - delta). A warp owns 16 queries
// and streams keys and values past them.
#pragma once
#include <modelgrow/backend/cuda/attention_mma_tiles.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// What the kernels of the backward pass read. For each query of each problem, padded to whole tiles of queries, that
/// of dq leaves two numbers for that of dk and dv: the denominator as a power of 2, and delta = dout out. Queries that
/// pad have an infinite denominator: no key gets anything.
struct AttentionMmaInput {
  AttentionSize size;
  Index padded;
  float scale;
  const std::int32_t* lengths;
  const bf16 *q, *k, *v, *dout;
  float *lse2, *delta;
};

template <int Dim>
struct AttentionMmaDq {
  using Tiles = MatrixTiles<Dim>;
  using Stage = MatrixStage<Dim>;
  using Copy = typename Tiles::Copy;
  static constexpr int rows = Stage::tile_rows, columns = Stage::tile_rows, warps = rows / Tiles::warp_rows;
  static constexpr int threads = warps * warp_size, resident_blocks = 2;
  struct Shared {
    Stage stages[2];
  };
  AttentionMmaInput in;
  const bf16* out;
  const float* lse;
  bf16* dq;
  MODELGROW_HOST_DEVICE Index tiles() const { return ceil_div(in.size.queries, rows); }
  MODELGROW_HOST_DEVICE Index blocks() const { return attention_problems(in.size) * tiles(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index work = dev.block(); work < blocks(); work += dev.blocks()) {
      tile(dev, shared, AttentionProblem::of(in.size, work / tiles()), int(work % tiles()) * rows);
      dev.sync();
    }
  }

 private:
  static constexpr float closed = std::numeric_limits<float>::infinity();

  /// What a warp keeps of its rows, and a lane of its two.
  struct Own {
    typename Tiles::Rows queries, douts;
    float lse2[2], delta[2];
    typename Tiles::Sums sums{};
  };

  template <class Dev>
  MODELGROW_DEVICE void tile(Dev dev, Shared& shared, AttentionProblem problem, int first) const {
    const AttentionSize& size = in.size;
    const int keys = int(problem.valid_keys(size, in.lengths)), queries = int(size.queries);
    const Index at = problem.offset(size, size.kv), at_q = problem.offset(size, size.q);
    const auto fetch = [&](Stage& stage, int step) {
      Tiles::template fetch<threads, columns>(dev, int(size.kv.token), step * columns, keys,
                                              Copy{stage.first(), in.k + at}, Copy{stage.second(), in.v + at});
    };
    Tiles::template fetch<threads, rows>(dev, int(size.q.token), first, queries,
                                         Copy{shared.stages[1].first(), in.q + at_q});
    Tiles::template fetch<threads, rows>(dev, int(size.out.token), first, queries,
                                         Copy{shared.stages[1].second(), in.dout + problem.offset(size, size.out)});
    dev.commit_copies();
    fetch(shared.stages[0], 0);
    dev.commit_copies();
    dev.template wait_copies<1>();
    dev.sync();
    const int in_tile = warp(dev) * Tiles::warp_rows;
    leave_terms(dev, problem, first + in_tile, shared.stages[1].second(in_tile));
    Own own;
    for (int half = 0; half < 2; ++half) {
      const Index row = problem.number * in.padded + first + in_tile + FragmentC::row(lane(dev), 2 * half);
      own.lse2[half] = in.lse2[row];
      own.delta[half] = in.delta[row];
    }
    own.queries.load(dev, shared.stages[1].first(in_tile));
    own.douts.load(dev, shared.stages[1].second(in_tile));
    const bool has_rows = first + in_tile < queries;
    const int steps = int(ceil_div(keys, columns));
    stream_tiles(dev, shared.stages, steps, fetch, [&](Stage& stage, int step) {
      if (has_rows) take(dev, stage, least(columns, keys - step * columns), own);
    });
    const float scales[2] = {in.scale, in.scale};
    if (has_rows)
      Tiles::store(dev, own.sums, scales, shared.stages[steps % 2].first(in_tile), dq + at_q, int(size.q.token),
                   first + in_tile, queries);
  }
  /// The two numbers of the 16 rows of a warp, two lanes for each; `douts` are their rows of dout.
  template <class Dev>
  MODELGROW_DEVICE void leave_terms(Dev dev, AttentionProblem problem, int first, const bf16* douts) const {
    static_assert(warp_size == 2 * Tiles::warp_rows);
    const int r = lane(dev) / 2, row = first + r;
    const bool present = row < in.size.queries;
    const Index at = problem.offset(in.size, in.size.out) + Index(row) * in.size.out.token;
    float sum = 0;
    if (present)
      for (int c = lane(dev) % 2 * Tiles::chunk; c < Dim; c += 2 * Tiles::chunk) {
        const auto a = dev.template load<Chunk<bf16>>(out + at + c);
        const auto b = dev.template load<Chunk<bf16>>(douts + r * Tiles::stride + c);
        for (int j = 0; j < a.values; ++j) sum = dev.fma(dev.widen(a.at[j]), dev.widen(b.at[j]), sum);
      }
    sum += dev.shuffle_xor(sum, 1);
    if (lane(dev) % 2 == 0) {
      const Index i = problem.number * in.padded + row;
      in.delta[i] = sum;
      in.lse2[i] = present ? lse[problem.number * in.size.queries + row] * log2_e : closed;
    }
    dev.sync_warp();
  }
  /// Adds what a tile gives, of which the first `valid` keys count.
  template <class Dev>
  MODELGROW_DEVICE void take(Dev dev, Stage& stage, int valid, Own& own) const {
    constexpr int at_once = 32;
    const float scale2 = in.scale * log2_e;
    for (int key = 0; key < columns; key += at_once) {
      FragmentC scores[at_once / 8], ds[at_once / 8];
      Tiles::multiply(dev, own.queries, stage.first(key), scores);
      Tiles::multiply(dev, own.douts, stage.second(key), ds);
      for (int n = 0; n < at_once / 8; ++n)
        for (int r = 0; r < FragmentC::registers; ++r) {
          const float p = dev.exp2(scores[n].at[r] * scale2 - own.lse2[r / 2]);
          ds[n].at[r] = p * (ds[n].at[r] - own.delta[r / 2]);
        }
      if (valid < columns)
        for (int n = 0; n < at_once / 8; ++n)
          for (int r = 0; r < FragmentC::registers; ++r)
            if (key + 8 * n + FragmentC::column(lane(dev), r) >= valid) ds[n].at[r] = 0;
      Tiles::accumulate(dev, ds, stage.first(key), own.sums);
    }
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
