// SPDX-License-Identifier: MIT
// Chooses the attention kernels: those for few tokens where they fit, else by head size, up to 64, 128 and 256
// channels.
#pragma once
#include <cmath>
#include <string>
#include <type_traits>

#include <modelgrow/backend/cuda/attention.hpp>
#include <modelgrow/backend/cuda/attention_dx.hpp>
#include <modelgrow/backend/cuda/attention_join.hpp>
#include <modelgrow/backend/cuda/sums.hpp>
#include <modelgrow/backend/cuda/temporal_attention_operations.hpp>
#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

template <class Exec>
struct AttentionOperations {
  template <class T>
  static void attention(const AttentionSize& s, const std::int32_t* lengths, const T* q, const T* k, const T* v, T* out,
                        Stat<T>* lse) {
    if (FewTokens::attention(s, float(scale<T>(s)), lengths, q, k, v, out, lse)) return;
    with_head_size(s.head_dim, [&](auto dim) {
      Exec::launch(Attention<T, dim>{
          .size = s, .scale = scale<T>(s), .lengths = lengths, .q = q, .k = k, .v = v, .out = out, .lse = lse});
    });
  }
  template <class T>
  static void attention_dx(const AttentionSize& s, const std::int32_t* lengths, const T* q, const T* k, const T* v,
                           const T* out, const Stat<T>* lse, const T* dout, T* dq, T* dk, T* dv) {
    if (FewTokens::attention_dx(s, float(scale<T>(s)), lengths, q, k, v, out, lse, dout, dq, dk, dv)) return;
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
