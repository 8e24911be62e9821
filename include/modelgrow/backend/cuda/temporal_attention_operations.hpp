// SPDX-License-Identifier: MIT
// Which problems the kernels for few tokens take, by type, sizes and addresses, and their start.
#pragma once
#include <algorithm>
#include <concepts>
#include <initializer_list>
#include <type_traits>

#include <modelgrow/backend/cuda/temporal_attention.hpp>
#include <modelgrow/backend/cuda/temporal_attention_dx.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// Functions that return false, having done nothing, for what is not for them.
template <class Exec>
struct TemporalAttentionOperations {
  template <class T>
  static bool attention(const AttentionSize& s, float scale, const std::int32_t* lengths, const T* q, const T* k,
                        const T* v, T* out, Stat<T>* lse) {
    if constexpr (std::same_as<T, bf16>) {
      return aligned(s, {q, k, v, out}) && with_size(s, [&](auto dim, auto tiles) {
               start(
                   s,
                   TemporalAttention<dim, tiles>{
                       .size = s, .scale = scale, .lengths = lengths, .q = q, .k = k, .v = v, .out = out, .lse = lse});
             });
    } else {
      return false;
    }
  }
  template <class T>
  static bool attention_dx(const AttentionSize& s, float scale, const std::int32_t* lengths, const T* q, const T* k,
                           const T* v, const T* out, const Stat<T>* lse, const T* dout, T* dq, T* dk, T* dv) {
    if constexpr (std::same_as<T, bf16>) {
      return aligned(s, {q, k, v, out, dout, dq, dk, dv}) && with_size(s, [&](auto dim, auto tiles) {
               start(s, TemporalAttentionDx<dim, tiles>{.size = s,
                                                        .scale = scale,
                                                        .lengths = lengths,
                                                        .q = q,
                                                        .k = k,
                                                        .v = v,
                                                        .out = out,
                                                        .dout = dout,
                                                        .lse = lse,
                                                        .dq = dq,
                                                        .dk = dk,
                                                        .dv = dv});
             });
    } else {
      return false;
    }
  }

 private:
  template <int n>
  using Number = std::integral_constant<int, n>;

  /// Whether every token begins at a multiple of 16 bytes.
  static bool aligned(const AttentionSize& s, std::initializer_list<const bf16*> tensors) {
    constexpr Index bytes = 16, values = bytes / Index(sizeof(bf16));
    for (const bf16* p : tensors)
      if (reinterpret_cast<std::uintptr_t>(p) % bytes != 0) return false;
    for (const AttentionSize::Strides& strides : {s.q, s.kv, s.out})
      for (const Index stride : {strides.batch, strides.group, strides.token})
        if (stride % values != 0) return false;
    return true;
  }
  /// f(channels, tiles of 16 tokens) as constants, where there is a kernel.
  template <class F>
  static bool with_size(const AttentionSize& s, F f) {
    const auto with_dim = [&](auto dim) {
      const Index tokens = std::max(s.queries, s.keys);
      if (s.head_dim != dim || std::min(s.queries, s.keys) == 0) return false;
      if (tokens <= 16) {
        f(dim, Number<1>{});
        return true;
      }
      if constexpr (dim <= 72) {  // of larger ones too little fits into registers
        if (tokens <= 32) {
          f(dim, Number<2>{});
          return true;
        }
      }
      return false;
    };
    return with_dim(Number<64>{}) || with_dim(Number<72>{}) || with_dim(Number<80>{}) || with_dim(Number<96>{}) ||
           with_dim(Number<128>{});
  }
  template <class Problem>
  static void start(const AttentionSize& s, const Problem& problem) {
    Exec::launch(ForEachRow<Problem, 128>{.n = attention_problems(s), .row = problem});
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
