// SPDX-License-Identifier: MIT
// The gradients of keys and values in bf16 on matrix units: dv = p^T dout, dk = scale ds^T q. A warp owns 16 keys and
// streams queries past them. Where there are few tiles of keys, as in cross-attention, blocks share the queries of a
// tile, and their sums, in float, are added in the order of the queries.
#pragma once
#include <modelgrow/backend/cuda/attention_mma_dx.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// The tiles of queries in parts, by sizes alone: blocks enough for a large GPU, none with less than four tiles;
/// one of none where there are no queries.
struct QueryParts {
  int steps, part_steps;  // tiles of all, of each part but the last
  static QueryParts of(Index key_tiles, Index query_tiles) {
    constexpr Index enough_blocks = 512, least_steps = 4;
    const Index wanted = ceil_div(enough_blocks, greatest(key_tiles, Index(1)));
    return {.steps = int(query_tiles),
            .part_steps =
                int(greatest(least(query_tiles, greatest(least_steps, ceil_div(query_tiles, wanted))), Index(1)))};
  }
  MODELGROW_HOST_DEVICE int count() const { return int(ceil_div(greatest(steps, 1), part_steps)); }
};

template <int Dim>
struct AttentionMmaDkv {
  using Tiles = MatrixTiles<Dim>;
  using Copy = typename Tiles::Copy;
  struct Stage : MatrixStage<Dim> {  // queries and the gradients of their outputs
    alignas(16) float lse2[MatrixStage<Dim>::tile_rows], delta[MatrixStage<Dim>::tile_rows];
  };
  static constexpr int rows = Stage::tile_rows, columns = Stage::tile_rows, warps = rows / Tiles::warp_rows;
  static constexpr int threads = warps * warp_size, resident_blocks = 2;
  struct Shared {
    Stage stages[2];
  };
  AttentionMmaInput in;
  QueryParts parts;
  float* partial;  // [problems, parts, 2, keys, Dim], when there are several parts
  bf16 *dk, *dv;
  MODELGROW_HOST_DEVICE Index tiles() const { return ceil_div(in.size.keys, rows); }
  MODELGROW_HOST_DEVICE Index blocks() const { return attention_problems(in.size) * parts.count() * tiles(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index work = dev.block(); work < blocks(); work += dev.blocks()) {
      const Index problem_part = work / tiles();
      tile(dev, shared, AttentionProblem::of(in.size, problem_part / parts.count()), problem_part,
           int(work % tiles()) * rows);
      dev.sync();
    }
  }

 private:
  struct Own {
    typename Tiles::Rows keys, values;
    typename Tiles::Sums key_sums{}, value_sums{};
  };

  template <class Dev>
  MODELGROW_DEVICE void tile(Dev dev, Shared& shared, AttentionProblem problem, Index problem_part, int first) const {
    const AttentionSize& size = in.size;
    const int keys = int(problem.valid_keys(size, in.lengths));
    const Index at = problem.offset(size, size.kv);
    const int first_step = int(problem_part % parts.count()) * parts.part_steps;
    const int steps = first < keys ? least(parts.part_steps, parts.steps - first_step) : 0;  // masked keys get zeros
    const auto fetch = [&](Stage& stage, int step) { this->fetch(dev, stage, problem, (first_step + step) * columns); };
    const int in_tile = warp(dev) * Tiles::warp_rows;
    Own own;
    if (steps > 0) {
      Tiles::template fetch<threads, rows>(dev, int(size.kv.token), first, keys,
                                           Copy{shared.stages[1].first(), in.k + at},
                                           Copy{shared.stages[1].second(), in.v + at});
      dev.commit_copies();
      fetch(shared.stages[0], 0);
      dev.commit_copies();
      dev.template wait_copies<1>();
      dev.sync();
      own.keys.load(dev, shared.stages[1].first(in_tile));
      own.values.load(dev, shared.stages[1].second(in_tile));
    }
    const bool has_rows = first + in_tile < keys;
    stream_tiles(dev, shared.stages, steps, fetch, [&](Stage& stage, int) {
      if (has_rows) take(dev, stage, own);
    });
    finish(dev, own, shared.stages[steps % 2], problem, problem_part, first + in_tile, keys);
  }
  template <class Dev>
  MODELGROW_DEVICE void fetch(Dev dev, Stage& stage, AttentionProblem problem, int query) const {
    const AttentionSize& size = in.size;
    const int queries = int(size.queries);
    Tiles::template fetch<threads, columns>(dev, int(size.q.token), query, queries,
                                            Copy{stage.first(), in.q + problem.offset(size, size.q)});
    Tiles::template fetch<threads, columns>(dev, int(size.out.token), query, queries,
                                            Copy{stage.second(), in.dout + problem.offset(size, size.out)});
    constexpr int floats = Chunk<float>::values, copies = columns / floats;
    static_assert(2 * copies <= threads);
    const int i = int(dev.thread()) % copies * floats;
    const Index at = problem.number * in.padded + query + i;
    if (int(dev.thread()) < copies)
      dev.copy_async(stage.lse2 + i, in.lse2 + at);
    else if (int(dev.thread()) < 2 * copies)
      dev.copy_async(stage.delta + i, in.delta + at);
  }
  template <class Dev>
  MODELGROW_DEVICE void take(Dev dev, Stage& stage, Own& own) const {
    constexpr int at_once = 16;
    const float scale2 = in.scale * log2_e;
    for (int query = 0; query < columns; query += at_once) {
      FragmentC p[at_once / 8], ds[at_once / 8];
      Tiles::multiply(dev, own.keys, stage.first(query), p);
      Tiles::multiply(dev, own.values, stage.second(query), ds);
      for (int n = 0; n < at_once / 8; ++n)
        for (int r = 0; r < FragmentC::registers; ++r) {
          const int column = query + 8 * n + FragmentC::column(lane(dev), r);
          p[n].at[r] = dev.exp2(p[n].at[r] * scale2 - stage.lse2[column]);
          ds[n].at[r] = p[n].at[r] * (ds[n].at[r] - stage.delta[column]);
        }
      Tiles::accumulate(dev, p, stage.second(query), own.value_sums);
      Tiles::accumulate(dev, ds, stage.first(query), own.key_sums);
    }
  }
  /// Stores the rows from `key` on.
  template <class Dev>
  MODELGROW_DEVICE void finish(Dev dev, Own& own, Stage& stage, AttentionProblem problem, Index problem_part, int key,
                               int valid) const {
    const int keys = int(in.size.keys), token = int(in.size.kv.token), row = warp(dev) * Tiles::warp_rows;
    if (parts.count() > 1) {
      float* const at = partial + (2 * problem_part * keys + key) * Dim;
      Tiles::store(dev, own.key_sums, at, valid - key);
      Tiles::store(dev, own.value_sums, at + Index(keys) * Dim, valid - key);
      return;
    }
    for (int half = 0; half < 2; ++half)  // a masked key has weights too, as the others of its warp have
      if (key + FragmentC::row(lane(dev), 2 * half) >= valid)
        for (int c = 0; c < Tiles::chunks; ++c)
          for (int r = 2 * half; r < 2 * half + 2; ++r) own.key_sums.at[c].at[r] = own.value_sums.at[c].at[r] = 0;
    const Index at = problem.offset(in.size, in.size.kv);
    const float scales[2] = {in.scale, in.scale}, ones[2] = {1, 1};
    Tiles::store(dev, own.key_sums, scales, stage.first(row), dk + at, token, key, keys);
    Tiles::store(dev, own.value_sums, ones, stage.second(row), dv + at, token, key, keys);
  }
};

/// The sum of the parts of dk (i < half of all) and dv, eight channels of a key at a time.
template <int Dim>
struct AttentionMmaSumParts {
  AttentionSize size;
  float scale;
  const std::int32_t* lengths;
  Index parts;
  const float* partial;
  bf16 *dk, *dv;
  MODELGROW_HOST_DEVICE Index count() const { return 2 * attention_problems(size) * size.keys * chunks; }
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Index key = i / chunks % size.keys, which = i / (chunks * size.keys) % 2;
    const int c = int(i % chunks) * chunk;
    const AttentionProblem problem = AttentionProblem::of(size, i / (chunks * size.keys * 2));
    float sums[chunk] = {};
    if (key < problem.valid_keys(size, lengths))
      for (Index part = 0; part < parts; ++part) {
        const float* at = partial + (((problem.number * parts + part) * 2 + which) * size.keys + key) * Dim + c;
        const auto low = dev.template load<Chunk<float>>(at), high = dev.template load<Chunk<float>>(at + chunk / 2);
        for (int j = 0; j < chunk / 2; ++j) {
          sums[j] += low.at[j];
          sums[j + chunk / 2] += high.at[j];
        }
      }
    Chunk<std::uint32_t> result;
    for (int j = 0; j < result.values; ++j) {
      const float factor = which == 0 ? scale : 1.0f;
      result.at[j] = dev.pack(factor * sums[2 * j], factor * sums[2 * j + 1]);
    }
    dev.store((which == 0 ? dk : dv) + problem.offset(size, size.kv) + key * size.kv.token + c, result);
  }

 private:
  static constexpr int chunk = Chunk<bf16>::values, chunks = Dim / chunk;
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
