// SPDX-License-Identifier: MIT
// Transposition in square blocks that fit the vector registers.
#pragma once
#include <modelgrow/backend/cpu/tile.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

// Vector types carry attributes that template arguments drop; Eigen relies on that, as we do here.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"

/// to[j * to_stride + i] = from[i * from_stride + j] for i < rows, j < columns.
template <class T>
void transpose(std::int64_t rows, std::int64_t columns, const T* from, std::int64_t from_stride, T* to,
               std::int64_t to_stride) {
  constexpr int n = int(lanes<T>);
  std::int64_t i = 0;
  for (; i + n <= rows; i += n) {
    std::int64_t j = 0;
    for (; j + n <= columns; j += n) {
      Eigen::internal::PacketBlock<Vector<T>, n> block;
#pragma GCC unroll 16
      for (int r = 0; r < n; ++r) block.packet[r] = load(from + (i + r) * from_stride + j);
      Eigen::internal::ptranspose(block);
#pragma GCC unroll 16
      for (int r = 0; r < n; ++r) store(to + (j + r) * to_stride + i, block.packet[r]);
    }
    for (; j < columns; ++j)
      for (int r = 0; r < n; ++r) to[j * to_stride + i + r] = from[(i + r) * from_stride + j];
  }
  for (; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) to[j * to_stride + i] = from[i * from_stride + j];
}

#pragma GCC diagnostic pop

}  // namespace cpu
}  // namespace modelgrow::inline v0
