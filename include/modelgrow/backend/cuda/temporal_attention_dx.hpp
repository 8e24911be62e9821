// SPDX-License-Identifier: MIT
// The backward pass of attention of few tokens in bf16: a warp has all queries and keys of its problem in registers, so
// dq, dk and dv come from one pass and nothing is added up by several. The weights p = exp(score - lse) are computed
// again; they and ds = p (dout v - delta), delta = dout out, are rounded to bf16 for their products.
#pragma once
#include <modelgrow/backend/cuda/temporal_attention.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// Sizes as for TemporalAttention.
template <int Dim, int Tiles>
struct TemporalAttentionDx {
  static constexpr int blocks = 2 * Tiles;                                 // of 8 tokens
  static constexpr float closed = std::numeric_limits<float>::infinity();  // the denominator behind which no key counts
  AttentionSize size;
  float scale;
  const std::int32_t* lengths;
  const bf16 *q, *k, *v, *out, *dout;
  const float* lse;
  bf16 *dq, *dk, *dv;

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index number) const {
    const AttentionProblem problem = AttentionProblem::of(size, number);
    const int keys = int(problem.valid_keys(size, lengths)), query_count = int(size.queries);
    const Index at_q = problem.offset(size, size.q), at_kv = problem.offset(size, size.kv);
    const Index at_out = problem.offset(size, size.out);
    HeadTokens<Dim, Tiles> queries, key_rows, douts;
    queries.load(dev, q + at_q, size.q.token, query_count);
    key_rows.load(dev, k + at_kv, size.kv.token, keys);
    douts.load(dev, dout + at_out, size.out.token, query_count);

    TokenMatrix<Tiles> p, ds;
    float shift[blocks], delta[blocks];  // of this lane's query in each block
    for (int b = 0; b < blocks; ++b) {
      const int query = token_of(dev, b, query_count);
      HeadRows<Dim> outs;
      outs.load(dev, out + at_out + query * size.out.token);
      delta[b] = token_sum(dev, outs.dot(dev, douts.block[b]));
      shift[b] = 8 * b + lane(dev) / 4 < query_count ? lse[number * size.queries + query] * log2_of_e : closed;
    }
    for (int b = 0; b < blocks; ++b) {
      HeadRows<Dim> values;
      values.load(dev, v + at_kv + token_of(dev, b, keys) * size.kv.token);
      for (int tile = 0; tile < Tiles; ++tile) {
        const FragmentC scores = multiply_channels(dev, queries, tile, key_rows.block[b]);
        const FragmentC dp = multiply_channels(dev, douts, tile, values);
        for (int h = 0; h < 2; ++h) {
          const int row = 2 * tile + h;
          float weights[2], gradients[2];
          for (int e = 0; e < 2; ++e) {
            const int r = 2 * h + e;
            const bool valid = 8 * b + FragmentC::column(lane(dev), r) < keys;
            weights[e] = valid ? dev.exp2(scores.at[r] * (scale * log2_of_e) - shift[row]) : 0.0f;
            gradients[e] = weights[e] * (dp.at[r] - delta[row]);
          }
          p.at[row][b] = dev.pack(weights[0], weights[1]);
          ds.at[row][b] = dev.pack(gradients[0], gradients[1]);
        }
      }
    }

    const float same[2] = {1.0f, 1.0f}, scaled[2] = {scale, scale};
    key_rows.transpose(dev);
    for (int tile = 0; tile < Tiles; ++tile)
      multiply_tokens(dev, ds, tile, key_rows, scaled, dq + at_q, size.q.token, query_count);
    ds.transpose(dev);
    queries.transpose(dev);
    for (int tile = 0; tile < Tiles; ++tile)
      multiply_tokens(dev, ds, tile, queries, scaled, dk + at_kv, size.kv.token, int(size.keys));
    p.transpose(dev);
    douts.transpose(dev);
    for (int tile = 0; tile < Tiles; ++tile)
      multiply_tokens(dev, p, tile, douts, same, dv + at_kv, size.kv.token, int(size.keys));
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
