// SPDX-License-Identifier: MIT
// What the attention kernels on matrix units share: tiles of bf16 in shared memory, filled by asynchronous copies, and
// their products with the 16 rows of a warp, which stay in registers.
#pragma once
#include <type_traits>

#include <modelgrow/backend/cuda/attention_tiles.hpp>
#include <modelgrow/backend/cuda/fragments.hpp>
#include <modelgrow/backend/cuda/stream_tiles.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// Weights are computed as powers of 2, for which a GPU has an instruction.
inline constexpr float log2_e = 1.44269504f;

/// Tiles of rows of `Dim` channels. Heads of 72 are 4 steps of 16 channels and one of 8: nothing is padded.
template <int Dim>
struct MatrixTiles {
  static_assert(Dim % 8 == 0);
  static constexpr int warp_rows = 16;
  static constexpr int chunk = Chunk<bf16>::values;
  static constexpr int chunks = Dim / chunk;           // in a row
  static constexpr int stride = (chunks | 1) * chunk;  // an odd number of chunks: eight rows lie in different banks
  static constexpr int steps = Dim / 16;
  static constexpr bool has_half_step = Dim % 16 != 0;

  /// The 16 rows of a warp as left factor.
  struct Rows {
    FragmentA<16> whole[steps];
    FragmentA<8> half;
    template <class Dev>
    MODELGROW_DEVICE void load(Dev dev, const bf16* at) {
      for (int k = 0; k < steps; ++k) load_rows(dev, whole[k], at + 16 * k, stride);
      if constexpr (has_half_step) load_rows(dev, half, at + 16 * steps, stride);
    }
  };
  /// A result for each of the 16 rows and every channel.
  struct Sums {
    FragmentC at[chunks];
  };

  struct Copy {
    bf16* tile;
    const bf16* rows;
  };
  /// Starts copying rows [first, first + Rows) of a matrix each to a tile; rows from `end` on become zero.
  template <int Threads, int Rows, class Dev, class... C>
  MODELGROW_DEVICE static void fetch(Dev dev, int token, int first, int end, C... copies) {
    constexpr int rows_at_once = Threads / chunks;
    const int c = int(dev.thread()) % chunks * chunk;
    if (int(dev.thread()) >= rows_at_once * chunks) return;
    for (int i = 0; i < ceil_div(Rows, rows_at_once); ++i) {
      const int r = int(dev.thread()) / chunks + i * rows_at_once;
      if (r >= Rows) return;
      const bool inside = first + r < end;
      const Index from = Index(inside ? first + r : first) * token + c;
      (dev.copy_async(copies.tile + r * stride + c, copies.rows + from, inside ? 16 : 0), ...);
    }
  }
  /// dots = rows x (the 8 N rows of a tile from `at` on)^T.
  template <int N, class Dev>
  MODELGROW_DEVICE static void multiply(Dev dev, const Rows& rows, const bf16* at, FragmentC (&dots)[N]) {
    static_assert(N % 2 == 0);
    for (int n = 0; n < N; ++n) dots[n] = {};
    for (int k = 0; k < steps; ++k)
      for (int n = 0; n < N; n += 2) {
        FragmentB<16> right[2];
        load_columns(dev, right, at + 8 * n * stride + 16 * k, stride);
        for (int i = 0; i < 2; ++i) dev.mma(dots[n + i], rows.whole[k], right[i]);
      }
    if constexpr (has_half_step)
      for (int n = 0; n < N; n += 2) {
        FragmentB<8> right[2];
        load_columns(dev, right, at + 8 * n * stride + 16 * steps, stride);
        for (int i = 0; i < 2; ++i) dev.mma(dots[n + i], rows.half, right[i]);
      }
  }
  /// sums += weights x (the 8 N rows of a tile from `at` on), with weights rounded to bf16.
  template <int N, class Dev>
  MODELGROW_DEVICE static void accumulate(Dev dev, const FragmentC (&weights)[N], const bf16* at, Sums& sums) {
    static_assert(N % 2 == 0);
    for (int n = 0; n < N; n += 2) {
      const FragmentA<16> left = as_left_factor(dev, weights[n], weights[n + 1]);
      const bf16* rows = at + 8 * n * stride;
      for (int c = 0; c + 1 < chunks; c += 2) {
        FragmentB<16> right[2];
        load_rows(dev, right, rows + c * chunk, stride);
        for (int i = 0; i < 2; ++i) dev.mma(sums.at[c + i], left, right[i]);
      }
      if constexpr (chunks % 2 != 0) {
        FragmentB<16> right;
        load_rows(dev, right, rows + (chunks - 1) * chunk, stride);
        dev.mma(sums.at[chunks - 1], left, right);
      }
    }
  }
  /// target[first + r] = factor sums[r] for the 16 rows before `end`, by way of 16 rows of a tile that are this warp's
  /// own; factor[0] is for the rows below 8 of this lane, factor[1] for the others.
  template <class Dev>
  MODELGROW_DEVICE static void store(Dev dev, const Sums& sums, const float (&factor)[2], bf16* own, bf16* target,
                                     int token, int first, int end) {
    for (int c = 0; c < chunks; ++c)
      for (int r = 0; r < FragmentC::registers; r += 2) {
        bf16* at = own + FragmentC::row(lane(dev), r) * stride + c * chunk + FragmentC::column(lane(dev), r);
        dev.store(at, dev.pack(factor[r / 2] * sums.at[c].at[r], factor[r / 2] * sums.at[c].at[r + 1]));
      }
    dev.sync_warp();
    constexpr int rows_at_once = warp_size / chunks;
    const int c = lane(dev) % chunks * chunk;
    if (lane(dev) >= rows_at_once * chunks) return;
    for (int i = 0; i < ceil_div(warp_rows, rows_at_once); ++i) {
      const int r = lane(dev) / chunks + i * rows_at_once;
      if (r >= warp_rows || first + r >= end) return;
      dev.store(target + Index(first + r) * token + c, dev.template load<Chunk<bf16>>(own + r * stride + c));
    }
  }
  /// target[r] = sums[r] for rows of `Dim` floats, those of the 16 before `end`.
  template <class Dev>
  MODELGROW_DEVICE static void store(Dev dev, const Sums& sums, float* target, int end) {
    const int odd = lane(dev) % 2;  // of two neighbours one stores the row below 8, one the other
    const int row = FragmentC::row(lane(dev), 2 * odd), column = FragmentC::column(lane(dev) - odd, 0);
    for (int c = 0; c < chunks; ++c) {
      float own[2], other[2];
      for (int i = 0; i < 2; ++i) {
        const float low = sums.at[c].at[i], high = sums.at[c].at[2 + i];
        own[i] = odd ? high : low;
        other[i] = dev.shuffle_xor(odd ? low : high, 1);
      }
      Chunk<float> four;
      for (int i = 0; i < 2; ++i) {
        four.at[i] = odd ? other[i] : own[i];
        four.at[2 + i] = odd ? own[i] : other[i];
      }
      if (row < end) dev.store(target + row * Dim + c * chunk + column, four);
    }
  }
};

/// Two tiles of 64 rows, or rows of the block before the first pair of tiles and after the last.
template <int Dim>
struct MatrixStage {
  using Tiles = MatrixTiles<Dim>;
  static constexpr int tile_rows = 64;
  alignas(16) bf16 at[2 * tile_rows * Tiles::stride];
  MODELGROW_DEVICE bf16* first(int row = 0) { return at + row * Tiles::stride; }
  MODELGROW_DEVICE bf16* second(int row = 0) { return first(tile_rows + row); }
};

/// Whether the kernels on matrix units take a problem: heads that they exist for, 16 bytes at a time everywhere, and
/// tokens that 32 bits number.
template <class... T>
bool suits_matrix_units(const AttentionSize& s, const T*... pointers) {
  const auto suits = [](const AttentionSize::Strides& t, Index tokens) {
    return (t.batch | t.group | t.token) % Chunk<bf16>::values == 0 && greatest(t.token, tokens) < Index(1) << 30;
  };
  const bool head = s.head_dim == 64 || s.head_dim == 72 || s.head_dim == 96 || s.head_dim == 128;
  return head && suits(s.q, s.queries) && suits(s.kv, s.keys) && suits(s.out, s.queries) &&
         ((reinterpret_cast<std::uintptr_t>(pointers) % sizeof(Chunk<T>) == 0) && ...);
}

/// f(head_dim as a constant), of those that suit matrix units.
template <class F>
void with_matrix_head_size(Index head_dim, F&& f) {
  switch (head_dim) {
    case 64:
      return f(std::integral_constant<int, 64>{});
    case 72:
      return f(std::integral_constant<int, 72>{});
    case 96:
      return f(std::integral_constant<int, 96>{});
    default:
      return f(std::integral_constant<int, 128>{});
  }
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
