// SPDX-License-Identifier: MIT
// Attention and dense convolution as TileKernels want them, for an executor that runs programs of tiles.
#pragma once
#include <modelgrow/backend/cuda/attention_mma_dkv.hpp>
#include <modelgrow/backend/cuda/tile_kernels.hpp>
#include <modelgrow/backend/cuda/tiles/attention_dx.cuh>
#include <modelgrow/backend/cuda/tiles/dense_conv.cuh>

namespace modelgrow::inline v0 {
namespace kernels {

/// `Exec::run_tiles<Program>(blocks, values..)` runs Program{values..}(block) for every block.
template <class Exec>
struct TileOperations {
  static bool attention(const AttentionSize& s, float scale, const std::int32_t* lengths, const bf16* q, const bf16* k,
                        const bf16* v, bf16* out, float* lse) {
    if (!suits(s)) return false;
    with_matrix_head_size(s.head_dim, [&](auto dim) {
      run<TileAttention<dim>>(s, s.queries, scale, lengths, values(q), values(k), values(v), values(out), lse);
    });
    return true;
  }
  static bool attention_dx(const AttentionSize& s, float scale, const std::int32_t* lengths, const bf16* q,
                           const bf16* k, const bf16* v, const bf16* out, const float* lse, const bf16* dout, bf16* dq,
                           bf16* dk, bf16* dv) {
    const Index problems = attention_problems(s);
    if (!suits(s) || shares_queries(s)) return false;
    const auto delta = scratch<Exec, float>(problems * s.queries);
    with_matrix_head_size(s.head_dim, [&](auto dim) {
      run<TileAttentionDq<dim>>(s, s.queries, scale, lengths, values(q), values(k), values(v), values(out),
                                values(dout), lse, delta.data(), values(dq));
      run<TileAttentionDkv<dim>>(s, s.keys, scale, lengths, values(q), values(k), values(v), values(dout), lse,
                                 static_cast<const float*>(delta.data()), values(dk), values(dv));
    });
    return true;
  }
  static bool convolve(ConvDirection direction, const TemporalConvSize& s, const bf16* x, const bf16* taps,
                       const bf16* b, bf16* y) {
    return direction == ConvDirection::forward ? convolve<ConvDirection::forward>(s, x, taps, b, y)
                                               : convolve<ConvDirection::transposed>(s, x, taps, b, y);
  }

 private:
  static constexpr Index most_blocks = std::numeric_limits<std::int32_t>::max();

  static __nv_bfloat16* values(bf16* p) { return reinterpret_cast<__nv_bfloat16*>(p); }
  static const __nv_bfloat16* values(const bf16* p) { return reinterpret_cast<const __nv_bfloat16*>(p); }

  /// Keys, tokens that follow each other, and as many blocks as a grid has.
  static bool suits(const AttentionSize& s) {
    return s.keys > 0 && least(s.q.token, least(s.kv.token, s.out.token)) >= 0 &&
           attention_problems(s) * ceil_div(greatest(s.queries, s.keys), Index(64)) <= most_blocks;
  }
  /// Whether keys are so few that blocks must share the queries, which those on matrix units can.
  static bool shares_queries(const AttentionSize& s) {
    return QueryParts::of(attention_problems(s) * ceil_div(s.keys, Index(64)), ceil_div(s.queries, Index(64))).count() >
           1;
  }
  template <class Program, class... A>
  static void run(const AttentionSize& s, Index tokens, A... a) {
    Exec::template run_tiles<Program>(attention_problems(s) * ceil_div(tokens, Index(Program::rows)), s.batch, s.groups,
                                      s.queries, s.keys, s.heads, s.head_dim, s.q.batch, s.q.group, s.q.token,
                                      s.kv.batch, s.kv.group, s.kv.token, s.out.batch, s.out.group, s.out.token, a...);
  }
  /// Not where tiles would lie more than half outside of the frames.
  template <ConvDirection direction>
  static bool convolve(const TemporalConvSize& s, const bf16* x, const bf16* taps, const bf16* b, bf16* y) {
    using Program = TileDenseConv<direction>;
    const Index inner = Program::forward ? s.channels_in : s.channels_out;
    const Index width = Program::forward ? s.channels_out : s.channels_in;
    const Index tiles = ceil_div(s.space, Index(Program::rows));
    const Index blocks = s.batch * s.frames * tiles * ceil_div(width, Index(Program::columns));
    if (tiles * Program::rows > 2 * s.space || s.space > most_blocks / 2 || blocks > most_blocks || !aligned({b}))
      return false;
    Exec::template run_tiles<Program>(blocks, int(s.frames), int(s.space), int(s.kernel), int(s.first_tap), int(inner),
                                      int(width), values(x), values(taps), values(b), values(y));
    return true;
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
