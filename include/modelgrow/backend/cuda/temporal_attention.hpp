// SPDX-License-Identifier: MIT
// Softmax attention of few tokens in bf16 on matrix units, as along the frames of a clip: a warp for each problem, all
// of it in registers. Every value is read once, where it lies, and the weights are rounded to bf16 for their product.
#pragma once
#include <modelgrow/backend/cuda/attention_tiles.hpp>
#include <modelgrow/backend/cuda/head_rows.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

inline constexpr float log2_of_e = 1.44269504f;

/// Up to 16 Tiles queries and as many keys of exactly `Dim` channels; addresses are multiples of 16 bytes.
template <int Dim, int Tiles>
struct TemporalAttention {
  static constexpr int blocks = 2 * Tiles;  // of 8 keys
  AttentionSize size;
  float scale;
  const std::int32_t* lengths;
  const bf16 *q, *k, *v;
  bf16* out;
  float* lse;

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index number) const {
    const AttentionProblem problem = AttentionProblem::of(size, number);
    const int keys = int(problem.valid_keys(size, lengths)), query_count = int(size.queries);
    const Index at_q = problem.offset(size, size.q), at_kv = problem.offset(size, size.kv);
    HeadTokens<Dim, Tiles> queries, key_rows, values;
    queries.load(dev, q + at_q, size.q.token, query_count);
    key_rows.load(dev, k + at_kv, size.kv.token, keys);
    values.load(dev, v + at_kv, size.kv.token, keys);
    values.transpose(dev);
    for (int tile = 0; tile < Tiles; ++tile) {
      FragmentC scores[blocks];
      for (int b = 0; b < blocks; ++b) scores[b] = multiply_channels(dev, queries, tile, key_rows.block[b]);
      TokenMatrix<Tiles> weights;
      float factor[2];
      for (int h = 0; h < 2; ++h) {
        const int query = 16 * tile + 8 * h + lane(dev) / 4;
        const float total = softmax(dev, scores, h, keys, weights.at[2 * tile + h],
                                    query < query_count ? lse + number * size.queries + query : nullptr);
        factor[h] = 1.0f / total;
      }
      multiply_tokens(dev, weights, tile, values, factor, out + problem.offset(size, size.out), size.out.token,
                      query_count);
    }
  }

 private:
  static constexpr float nothing = -std::numeric_limits<float>::infinity();  // the score of a masked key

  /// The weights of this lane's query in the half h of a tile, and their sum, which they are not divided by.
  template <class Dev>
  MODELGROW_DEVICE float softmax(Dev dev, FragmentC (&scores)[blocks], int h, int keys,
                                 std::uint32_t (&weights)[blocks], float* denominator) const {
    float top = nothing, total = 0;
    for (int b = 0; b < blocks; ++b)
      for (int r = 2 * h; r < 2 * h + 2; ++r) {
        if (8 * b + FragmentC::column(lane(dev), r) >= keys) scores[b].at[r] = nothing;
        top = greatest(top, scores[b].at[r]);
      }
    top = token_max(dev, top);  // finite: the first key is valid
    const float slope = scale * log2_of_e, shift = top * slope;
    for (int b = 0; b < blocks; ++b) {
      const float left = dev.exp2(scores[b].at[2 * h] * slope - shift);
      const float right = dev.exp2(scores[b].at[2 * h + 1] * slope - shift);
      total += left + right;
      weights[b] = dev.pack(left, right);
    }
    total = token_sum(dev, total);
    if (denominator != nullptr && lane(dev) % 4 == 0) *denominator = top * scale + dev.log(total);
    return total;
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
