// SPDX-License-Identifier: MIT
// Gradients of attention in bf16 as programs of tiles: of the queries, which leave what each row needs, and of keys and
// values. Weights are computed again; no sum is shared, so the bits are the same in every run.
#pragma once
#include <modelgrow/backend/cuda/tiles/attention.cuh>

namespace modelgrow::inline v0 {
namespace kernels {

/// dq, and delta[problem, query] = the dot product of out and dout.
template <int Dim>
struct TileAttentionDq {
  static constexpr int rows = 64, columns = Dim == 64 ? 128 : 64;
  using bf16 = __nv_bfloat16;
  using Keys = HeadTile<bf16, columns, Dim>;
  using Queries = HeadTile<bf16, rows, Dim>;
  AttentionSize size;
  float scale;
  const std::int32_t* lengths;
  const bf16 *q, *k, *v, *out, *dout;
  const float* lse;
  float* delta;
  bf16* dq;

  __tile__ void operator()(std::int64_t block) const {
    const int queries = int(size.queries);
    const auto problem = TileProblem::of(size, block, (queries + rows - 1) / rows);
    const int keys = problem.valid_keys(size, lengths);
    const std::int64_t at = problem.offset(size, size.kv), at_q = problem.offset(size, size.q);
    const std::int64_t at_out = problem.offset(size, size.out), at_row = problem.number * queries;
    const auto douts = Queries::load(dout + at_out, queries, int(size.out.token), problem.tile);
    Own own{Queries::load(q + at_q, queries, int(size.q.token), problem.tile), douts,
            load_values<rows, 1>(lse + at_row, queries, problem.tile) * tile_log2_e,
            row_dots(Queries::load(out + at_out, queries, int(size.out.token), problem.tile), douts),
            HeadTile<float, rows, Dim>::zeros()};
    store_column(own.delta, delta + at_row, queries, problem.tile);
    for (const int step : cuda::tiles::irange(0, keys / columns)) take<false>(k + at, v + at, step, keys, own);
    if (keys % columns != 0) take<true>(k + at, v + at, keys / columns, keys, own);
    own.sums.times(scale).store(dq + at_q, queries, int(size.q.token), problem.tile);
  }

 private:
  struct Own {
    Queries queries, douts;
    Tile<float, rows, 1> lse2, delta;
    HeadTile<float, rows, Dim> sums;
  };
  template <bool masked>
  __tile__ void take(const bf16* keys, const bf16* values, int step, int end, Own& own) const {
    namespace ct = cuda::tiles;
    const auto key_rows = Keys::load(keys, end, int(size.kv.token), step);
    const auto weights = exp2_of(dots(own.queries, key_rows), scale * tile_log2_e, own.lse2);
    auto ds = weights * (dots(own.douts, Keys::load(values, end, int(size.kv.token), step)) - own.delta);
    if constexpr (masked)
      ds = ct::select(ct::broadcast(columns_before<columns>(step * columns, end), ct::shape<rows, columns>{}), ds,
                      filled<float, rows, columns>(0.0f));
    own.sums.add_product(ds, key_rows);
  }
};

/// dk and dv from what TileAttentionDq left; masked keys get zeros.
template <int Dim>
struct TileAttentionDkv {
  static constexpr int rows = 64, columns = Dim == 64 ? 128 : 64;
  using bf16 = __nv_bfloat16;
  using Keys = HeadTile<bf16, rows, Dim>;
  using Queries = HeadTile<bf16, columns, Dim>;
  AttentionSize size;
  float scale;
  const std::int32_t* lengths;
  const bf16 *q, *k, *v, *dout;
  const float *lse, *delta;
  bf16 *dk, *dv;

  __tile__ void operator()(std::int64_t block) const {
    namespace ct = cuda::tiles;
    const int queries = int(size.queries), keys = int(size.keys), token = int(size.kv.token);
    const auto problem = TileProblem::of(size, block, (keys + rows - 1) / rows);
    const int valid = problem.valid_keys(size, lengths);
    const std::int64_t at = problem.offset(size, size.kv), at_row = problem.number * queries;
    const std::int64_t at_q = problem.offset(size, size.q), at_out = problem.offset(size, size.out);
    const auto key_rows = Keys::load(k + at, keys, token, problem.tile);
    const auto value_rows = Keys::load(v + at, keys, token, problem.tile);
    auto key_sums = HeadTile<float, rows, Dim>::zeros(), value_sums = key_sums;
    for (const int step : ct::irange(0, problem.tile * rows < valid ? (queries + columns - 1) / columns : 0)) {
      const auto query_rows = Queries::load(q + at_q, queries, int(size.q.token), step);
      const auto douts = Queries::load(dout + at_out, queries, int(size.out.token), step);
      const auto lse2 = load_values<1, columns>(lse + at_row, queries, step) * tile_log2_e;
      const auto deltas = load_values<1, columns>(delta + at_row, queries, step);
      const auto weights = exp2_of(dots(key_rows, query_rows), scale * tile_log2_e, lse2);
      value_sums.add_product(weights, douts);  // rows past the last query are zeros, in both
      key_sums.add_product(weights * (dots(value_rows, douts) - deltas), query_rows);
    }
    const auto counts = ct::iota<Tile<int, rows, 1>>() + problem.tile * rows < valid;
    key_sums.times(scale).where(counts).store(dk + at, keys, token, problem.tile);
    value_sums.where(counts).store(dv + at, keys, token, problem.tile);
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
