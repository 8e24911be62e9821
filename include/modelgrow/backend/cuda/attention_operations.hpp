// SPDX-License-Identifier: MIT
// Chooses the attention kernels: those for few tokens, then those on matrix units (or of tiles, where they are in use),
// where the problem suits them, else by head size, for heads of up to 64, 128 and 256 channels.
#pragma once
#include <cmath>
#include <string>
#include <type_traits>

#include <modelgrow/backend/cuda/attention.hpp>
#include <modelgrow/backend/cuda/attention_dx.hpp>
#include <modelgrow/backend/cuda/attention_join.hpp>
#include <modelgrow/backend/cuda/attention_mma.hpp>
#include <modelgrow/backend/cuda/attention_mma_dkv.hpp>
#include <modelgrow/backend/cuda/attention_mma_dx.hpp>
#include <modelgrow/backend/cuda/sums.hpp>
#include <modelgrow/backend/cuda/temporal_attention_operations.hpp>
#include <modelgrow/backend/cuda/tile_kernels.hpp>
#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

template <class Exec>
struct AttentionOperations {
  template <class T>
  static void attention(const AttentionSize& s, const std::int32_t* lengths, const T* q, const T* k, const T* v, T* out,
                        Stat<T>* lse) {
    if (FewTokens::attention(s, float(scale<T>(s)), lengths, q, k, v, out, lse)) return;
    if constexpr (std::same_as<T, bf16>)
      if (suits_matrix_units(s, q, k, v, out)) {
        const auto on_tiles = TileKernels<Exec>::in_use.attention;
        if (on_tiles && on_tiles(s, scale<T>(s), lengths, q, k, v, out, lse)) return;
        return with_matrix_head_size(s.head_dim, [&](auto dim) {
          Exec::launch(AttentionMma<dim>{
              .size = s, .scale = scale<T>(s), .lengths = lengths, .q = q, .k = k, .v = v, .out = out, .lse = lse});
        });
      }
    with_head_size(s.head_dim, [&](auto dim) {
      Exec::launch(Attention<T, dim>{
          .size = s, .scale = scale<T>(s), .lengths = lengths, .q = q, .k = k, .v = v, .out = out, .lse = lse});
    });
  }
  template <class T>
  static void attention_dx(const AttentionSize& s, const std::int32_t* lengths, const T* q, const T* k, const T* v,
                           const T* out, const Stat<T>* lse, const T* dout, T* dq, T* dk, T* dv) {
    if (FewTokens::attention_dx(s, float(scale<T>(s)), lengths, q, k, v, out, lse, dout, dq, dk, dv)) return;
    if constexpr (std::same_as<T, bf16>)
      if (suits_matrix_units(s, q, k, v, out, dout, dq, dk, dv)) {
        const auto on_tiles = TileKernels<Exec>::in_use.attention_dx;
        if (on_tiles && on_tiles(s, scale<T>(s), lengths, q, k, v, out, lse, dout, dq, dk, dv)) return;
        return with_matrix_head_size(
            s.head_dim, [&](auto dim) { on_matrix_units<dim>(s, lengths, q, k, v, out, lse, dout, dq, dk, dv); });
      }
    const auto delta = scratch<Exec, Stat<T>>(attention_problems(s) * s.queries);
    Exec::launch(ForEachRow<AttentionDelta<T>>{.n = delta.size(),
                                               .row = {.size = s, .out = out, .dout = dout, .delta = delta.data()}});
    const AttentionBackwardInput<T> in{.size = s,
                                       .scale = scale<T>(s),
                                       .lengths = lengths,
                                       .q = q,
                                       .k = k,
                                       .v = v,
                                       .dout = dout,
                                       .lse = lse,
                                       .delta = delta.data()};
    with_head_size(s.head_dim, [&](auto dim) {
      Exec::launch(AttentionDq<T, dim>{.in = in, .dq = dq});
      Exec::launch(AttentionDkv<T, dim>{.in = in, .dk = dk, .dv = dv});
    });
  }
  template <class T>
  static void join_attention(const AttentionSize& s, const T* weight, const T* other, T* out, Stat<T>* lse,
                             Stat<T>* lse_other) {
    Exec::launch(ForEachRow<JoinAttention<T>>{
        .n = attention_problems(s) * s.queries,
        .row = {.size = s, .weight = weight, .other = other, .out = out, .lse = lse, .lse_other = lse_other}});
  }

 private:
  using FewTokens = TemporalAttentionOperations<Exec>;

  template <class T>
  static Stat<T> scale(const AttentionSize& s) {
    return Stat<T>(1.0 / std::sqrt(double(s.head_dim)));
  }
  template <int Dim>
  static void on_matrix_units(const AttentionSize& s, const std::int32_t* lengths, const bf16* q, const bf16* k,
                              const bf16* v, const bf16* out, const float* lse, const bf16* dout, bf16* dq, bf16* dk,
                              bf16* dv) {
    constexpr Index tile = MatrixStage<Dim>::tile_rows;
    const Index problems = attention_problems(s), padded = ceil_div(s.queries, tile) * tile;
    const auto lse2 = scratch<Exec, float>(problems * padded), delta = scratch<Exec, float>(problems * padded);
    const AttentionMmaInput in{.size = s,
                               .padded = padded,
                               .scale = scale<bf16>(s),
                               .lengths = lengths,
                               .q = q,
                               .k = k,
                               .v = v,
                               .dout = dout,
                               .lse2 = lse2.data(),
                               .delta = delta.data()};
    Exec::launch(AttentionMmaDq<Dim>{.in = in, .out = out, .lse = lse, .dq = dq});
    const auto parts = QueryParts::of(problems * ceil_div(s.keys, tile), padded / tile);
    const auto partial = scratch<Exec, float>(parts.count() > 1 ? 2 * problems * parts.count() * s.keys * Dim : 0);
    Exec::launch(AttentionMmaDkv<Dim>{.in = in, .parts = parts, .partial = partial.data(), .dk = dk, .dv = dv});
    if (parts.count() == 1) return;
    const AttentionMmaSumParts<Dim> sum{.size = s,
                                        .scale = in.scale,
                                        .lengths = lengths,
                                        .parts = parts.count(),
                                        .partial = partial.data(),
                                        .dk = dk,
                                        .dv = dv};
    Exec::launch(ForEach<AttentionMmaSumParts<Dim>>{.n = sum.count(), .element = sum});
  }
  template <class F>
  static void with_head_size(Index head_dim, F&& f) {
    if (head_dim <= 64)
      f(std::integral_constant<int, 64>{});
    else if (head_dim <= 128)
      f(std::integral_constant<int, 128>{});
    else if (head_dim <= 256)
      f(std::integral_constant<int, 256>{});
    else
      throw device_error("[attention] heads of " + std::to_string(head_dim) +
                         " channels: the CUDA backend has kernels for up to 256; use more heads or another device");
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
