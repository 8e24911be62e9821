// SPDX-License-Identifier: MIT
// Tokens of one head in the registers of a warp, in one layout for memory, for products over channels and for products
// over tokens: nothing goes through shared memory.
//
// Eight tokens share 32 lanes: lane l holds a quarter of the channels of token l / 4, 8 neighbours of every 32 (of a
// rest of 16 or 8 channels 4 or 2), so that accesses are of 16 bytes. For a product over channels it does not matter
// which of them a register holds, as both factors agree. Transposed, register w of the lanes is a right factor whose
// columns are the channels of register w, and so the product has them where they are stored from.
#pragma once
#include <modelgrow/backend/cuda/fragments.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// Eight tokens of `Dim` channels.
template <int Dim>
struct HeadRows {
  static_assert(Dim % 8 == 0);
  static constexpr int words = Dim / 8;  // registers of a lane, with two neighbouring channels each
  std::uint32_t at[words];

  /// `row` is the first channel of this lane's token.
  template <class Dev>
  MODELGROW_DEVICE void load(Dev dev, const bf16* row) {
    for (int w = 0; w + 4 <= words; w += 4) load_piece<4>(dev, row, w);
    if constexpr (words % 4 >= 2) load_piece<2>(dev, row, words / 4 * 4);
    if constexpr (words % 2 == 1) load_piece<1>(dev, row, words - 1);
  }
  template <class Dev>
  MODELGROW_DEVICE void store(Dev dev, bf16* row) const {
    for (int w = 0; w + 4 <= words; w += 4) store_piece<4>(dev, row, w);
    if constexpr (words % 4 >= 2) store_piece<2>(dev, row, words / 4 * 4);
    if constexpr (words % 2 == 1) store_piece<1>(dev, row, words - 1);
  }
  template <class Dev>
  MODELGROW_DEVICE void transpose(Dev dev) {
    for (int w = 0; w < words; ++w) at[w] = dev.transposed(at[w]);
  }
  /// The product of this lane's channels.
  template <class Dev>
  MODELGROW_DEVICE float dot(Dev dev, const HeadRows& other) const {
    float sum = 0;
    for (int w = 0; w < words; ++w)
      for (int which = 0; which < 2; ++which) sum += half(dev, at[w], which) * half(dev, other.at[w], which);
    return sum;
  }

 private:
  template <class Dev>
  MODELGROW_DEVICE static float half(Dev dev, std::uint32_t two, int which) {
    bf16 value;
    value.bits = std::uint16_t(two >> (16 * which));
    return dev.widen(value);
  }
  /// Where this lane's part of N registers lies in a row.
  template <int N, class Dev>
  MODELGROW_DEVICE static int channel(Dev dev, int word) {
    return 8 * word + 2 * N * (lane(dev) % 4);
  }
  template <int N, class Dev>
  MODELGROW_DEVICE void load_piece(Dev dev, const bf16* row, int word) {
    const auto piece = dev.template load<Chunk<std::uint32_t, N>>(row + channel<N>(dev, word));
    for (int e = 0; e < N; ++e) at[word + e] = piece.at[e];
  }
  template <int N, class Dev>
  MODELGROW_DEVICE void store_piece(Dev dev, bf16* row, int word) const {
    Chunk<std::uint32_t, N> piece;
    for (int e = 0; e < N; ++e) piece.at[e] = at[word + e];
    dev.store(row + channel<N>(dev, word), piece);
  }
};

/// The token of this lane in a block of eight, the last where there are none left.
template <class Dev>
MODELGROW_DEVICE int token_of(Dev dev, int block, int tokens) {
  return least(8 * block + lane(dev) / 4, tokens - 1);
}

/// Up to 16 Tiles tokens.
template <int Dim, int Tiles>
struct HeadTokens {
  static constexpr int blocks = 2 * Tiles;
  HeadRows<Dim> block[blocks];

  /// In place of the tokens from `tokens` (1 at least) on stands the last: their weights are 0, and 0 times what takes
  /// part anyway changes nothing.
  template <class Dev>
  MODELGROW_DEVICE void load(Dev dev, const bf16* first, Index stride, int tokens) {
    for (int b = 0; b < blocks; ++b) block[b].load(dev, first + token_of(dev, b, tokens) * stride);
  }
  template <class Dev>
  MODELGROW_DEVICE void transpose(Dev dev) {
    for (int b = 0; b < blocks; ++b) block[b].transpose(dev);
  }
};

/// a[tokens, tokens] in bf16: lane l holds of each block of 8 x 8 the values 2 (l % 4) and next of row l / 4.
template <int Tiles>
struct TokenMatrix {
  static constexpr int blocks = 2 * Tiles;
  std::uint32_t at[blocks][blocks];

  template <class Dev>
  MODELGROW_DEVICE void transpose(Dev dev) {
    for (int i = 0; i < blocks; ++i) {
      at[i][i] = dev.transposed(at[i][i]);
      for (int j = 0; j < i; ++j) {
        const std::uint32_t below = at[i][j];
        at[i][j] = dev.transposed(at[j][i]);
        at[j][i] = dev.transposed(below);
      }
    }
  }
};

/// a b^T, the sums over channels, for 16 tokens a from token 16 tile on, and 8 tokens b.
template <int Dim, int Tiles, class Dev>
MODELGROW_DEVICE FragmentC multiply_channels(Dev dev, const HeadTokens<Dim, Tiles>& a, int tile,
                                             const HeadRows<Dim>& b) {
  constexpr int words = HeadRows<Dim>::words;
  const HeadRows<Dim>&upper = a.block[2 * tile], &lower = a.block[2 * tile + 1];
  FragmentC c{};
  for (int w = 0; w + 2 <= words; w += 2)
    dev.mma(c, FragmentA<16>{{upper.at[w], lower.at[w], upper.at[w + 1], lower.at[w + 1]}},
            FragmentB<16>{{b.at[w], b.at[w + 1]}});
  if constexpr (words % 2 == 1)
    dev.mma(c, FragmentA<8>{{upper.at[words - 1], lower.at[words - 1]}}, FragmentB<8>{{b.at[words - 1]}});
  return c;
}

/// to = factor * a b, the sums over tokens, for 16 tokens from token 16 tile on, of which those before `tokens` are
/// stored; b is transposed, and factor[h] is for the token of this lane in block h.
template <int Dim, int Tiles, class Dev>
MODELGROW_DEVICE void multiply_tokens(Dev dev, const TokenMatrix<Tiles>& a, int tile, const HeadTokens<Dim, Tiles>& b,
                                      const float (&factor)[2], bf16* to, Index stride, int tokens) {
  HeadRows<Dim> result[2];
  for (int w = 0; w < HeadRows<Dim>::words; ++w) {
    FragmentC c{};
    for (int inner = 0; inner < 2 * Tiles; inner += 2)
      dev.mma(c,
              FragmentA<16>{{a.at[2 * tile][inner], a.at[2 * tile + 1][inner], a.at[2 * tile][inner + 1],
                             a.at[2 * tile + 1][inner + 1]}},
              FragmentB<16>{{b.block[inner].at[w], b.block[inner + 1].at[w]}});
    for (int h = 0; h < 2; ++h) result[h].at[w] = dev.pack(factor[h] * c.at[2 * h], factor[h] * c.at[2 * h + 1]);
  }
  for (int h = 0; h < 2; ++h) {
    const int token = 8 * (2 * tile + h) + lane(dev) / 4;
    if (token < tokens) result[h].store(dev, to + token * stride);
  }
}

/// Of what the four lanes of a token hold.
template <class Dev>
MODELGROW_DEVICE float token_sum(Dev dev, float v) {
  v += dev.shuffle_xor(v, 1);
  return v + dev.shuffle_xor(v, 2);
}
template <class Dev>
MODELGROW_DEVICE float token_max(Dev dev, float v) {
  v = greatest(v, dev.shuffle_xor(v, 1));
  return greatest(v, dev.shuffle_xor(v, 2));
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
