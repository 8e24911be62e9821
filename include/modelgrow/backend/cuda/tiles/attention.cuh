// SPDX-License-Identifier: MIT
// Attention in bf16 as a program of tiles: a block takes some queries of a problem and streams its keys past them, with
// softmax as in FlashAttention (arXiv 2205.14135).
#pragma once
#include <modelgrow/backend/backend.hpp>
#include <modelgrow/backend/cuda/tiles/head_tile.cuh>

#include <limits>

namespace modelgrow::inline v0 {
namespace kernels {

/// What a block works on, found from its number: a tile of the rows of a problem (batch entry, group, head).
struct TileProblem {
  std::int64_t number, batch, group, head;
  int tile;
  __tile__ static TileProblem of(const AttentionSize& s, std::int64_t block, std::int64_t tiles) {
    const std::int64_t number = block / tiles;
    return {number, number / (s.groups * s.heads), number / s.heads % s.groups, number % s.heads, int(block % tiles)};
  }
  __tile__ std::int64_t offset(const AttentionSize& s, const AttentionSize::Strides& t) const {
    return batch * t.batch + group * t.group + head * s.head_dim;
  }
  __tile__ int valid_keys(const AttentionSize& s, const std::int32_t* lengths /*?*/) const {
    const int keys = int(s.keys);
    if (lengths == nullptr) return keys;
    const int length = lengths[batch] < 1 ? 1 : lengths[batch];
    return length < keys ? length : keys;
  }
};
/// Which of the columns [first, first + Columns) are before `end`.
template <int Columns>
__tile__ Tile<bool, 1, Columns> columns_before(int first, int end) {
  return cuda::tiles::iota<Tile<int, 1, Columns>>() + first < end;
}

inline constexpr float tile_log2_e = 1.44269504f, tile_ln_2 = 0.69314718f;

template <int Dim>
struct TileAttention {
  static constexpr int rows = 128, columns = Dim > 72 ? 64 : 128;
  using bf16 = __nv_bfloat16;
  using Keys = HeadTile<bf16, columns, Dim>;
  using Queries = HeadTile<bf16, rows, Dim>;
  AttentionSize size;
  float scale;
  const std::int32_t* lengths;
  const bf16 *q, *k, *v;
  bf16* out;
  float* lse;

  __tile__ void operator()(std::int64_t block) const {
    const int queries = int(size.queries);
    const auto problem = TileProblem::of(size, block, (queries + rows - 1) / rows);
    const int keys = problem.valid_keys(size, lengths);
    const std::int64_t at = problem.offset(size, size.kv);
    const auto own = Queries::load(q + problem.offset(size, size.q), queries, int(size.q.token), problem.tile);
    Softmax softmax{filled<float, rows, 1>(nothing), filled<float, rows, 1>(0.0f), HeadTile<float, rows, Dim>::zeros()};
    for (const int step : cuda::tiles::irange(0, keys / columns)) take<false>(own, k + at, v + at, step, keys, softmax);
    if (keys % columns != 0) take<true>(own, k + at, v + at, keys / columns, keys, softmax);
    softmax.sums.times(1.0f / softmax.total)
        .store(out + problem.offset(size, size.out), queries, int(size.out.token), problem.tile);
    store_column(softmax.top * scale + cuda::tiles::log2(softmax.total) * tile_ln_2, lse + problem.number * queries,
                 queries, problem.tile);
  }

 private:
  static constexpr float nothing = -std::numeric_limits<float>::infinity();  // the score of a masked key
  struct Softmax {
    Tile<float, rows, 1> top, total;
    HeadTile<float, rows, Dim> sums;
  };
  /// Adds the keys of a step, all of them or those before `end`.
  template <bool masked>
  __tile__ void take(Queries own, const bf16* keys, const bf16* values, int step, int end, Softmax& softmax) const {
    namespace ct = cuda::tiles;
    const float scale2 = scale * tile_log2_e;
    auto scores = dots(own, Keys::load(keys, end, int(size.kv.token), step));
    if constexpr (masked)
      scores = ct::select(ct::broadcast(columns_before<columns>(step * columns, end), ct::shape<rows, columns>{}),
                          scores, filled<float, rows, columns>(nothing));
    const auto highest = ct::max(softmax.top, ct::reduce_max<1>(scores));
    const auto weights = exp2_of(scores, scale2, highest * scale2);
    const auto decay =
        exp2_of(softmax.top - highest, scale2, filled<float, rows, 1>(0.0f));  // 1 where they are the same
    softmax.total = softmax.total * decay + ct::sum<1>(weights);
    softmax.sums = softmax.sums.times(decay);
    softmax.sums.add_product(weights, Keys::load(values, end, int(size.kv.token), step));
    softmax.top = highest;
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
