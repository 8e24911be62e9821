// SPDX-License-Identifier: MIT
// What the 32 lanes of an emulated warp do together, from where each lane keeps its part: exchanges and matrices.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include <modelgrow/backend/cuda/fragments.hpp>

namespace emulator {

using modelgrow::bf16;
using modelgrow::kernels::FragmentA;
using modelgrow::kernels::FragmentB;
using modelgrow::kernels::FragmentC;
using modelgrow::kernels::warp_size;

inline float half(std::uint32_t two, int which) {
  bf16 value;
  value.bits = std::uint16_t(two >> (16 * which));
  return float(value);
}

/// The operands of one lane.
template <int K>
struct LaneProduct {
  FragmentC* c;
  const FragmentA<K>* a;
  const FragmentB<K>* b;
};

template <int K>
void multiply_fragments(const std::array<LaneProduct<K>*, warp_size>& lanes) {
  float a[16][K], b[K][8];
  for (int l = 0; l < warp_size; ++l)
    for (int which = 0; which < 2; ++which) {
      using A = FragmentA<K>;
      using B = FragmentB<K>;
      for (int r = 0; r < A::registers; ++r)
        a[A::row(l, r)][A::column(l, r) + which] = half(lanes[std::size_t(l)]->a->at[r], which);
      for (int r = 0; r < B::registers; ++r)
        b[B::row(l, r) + which][B::column(l, r)] = half(lanes[std::size_t(l)]->b->at[r], which);
    }
  for (int l = 0; l < warp_size; ++l)
    for (int r = 0; r < FragmentC::registers; ++r) {
      float& c = lanes[std::size_t(l)]->c->at[r];
      double sum = c;
      for (int k = 0; k < K; ++k) sum += double(a[FragmentC::row(l, r)][k]) * b[k][FragmentC::column(l, r)];
      c = float(sum);
    }
}

/// The registers of one lane, one for each matrix, and the row that it has the address of.
struct LaneLoad {
  std::uint32_t* registers;
  const bf16* row;
};

template <int N, bool Transposed>
void load_matrices(const std::array<LaneLoad*, warp_size>& lanes) {
  for (int m = 0; m < N; ++m)
    for (int l = 0; l < warp_size; ++l) {
      const auto element = [&](int row, int column) {
        return std::uint32_t(lanes[std::size_t(8 * m + row)]->row[column].bits);
      };
      const int across = l / 4, along = 2 * (l % 4);
      const std::uint32_t low = Transposed ? element(along, across) : element(across, along);
      const std::uint32_t high = Transposed ? element(along + 1, across) : element(across, along + 1);
      lanes[std::size_t(l)]->registers[m] = low | high << 16;
    }
}

/// What one lane holds of an 8 x 8 matrix, and of its transpose.
struct LaneMatrix {
  std::uint32_t matrix, result;
};
inline void transpose_matrix(const std::array<LaneMatrix*, warp_size>& lanes) {
  const auto element = [&](int row, int column) {
    return lanes[std::size_t(4 * row + column / 2)]->matrix >> (16 * (column % 2)) & 0xffff;
  };
  for (int l = 0; l < warp_size; ++l) {
    const int row = l / 4, column = 2 * (l % 4);
    lanes[std::size_t(l)]->result = element(column, row) | element(column + 1, row) << 16;
  }
}

/// A barrier: nothing but meeting.
struct LaneBarrier {};
inline void pass(const std::array<LaneBarrier*, warp_size>&) {}

/// The value of one lane, which lane it wants that of, and what it gets.
template <class A>
struct LaneExchange {
  A value;
  int mask;
  A result;
};
template <class A>
void exchange(const std::array<LaneExchange<A>*, warp_size>& lanes) {
  for (std::size_t l = 0; l < warp_size; ++l) lanes[l]->result = lanes[l ^ std::size_t(lanes[l]->mask)]->value;
}

}  // namespace emulator
