// SPDX-License-Identifier: MIT
// The one inner loop of all matrix products: a tile of C kept in registers, A broadcast value by value, B by vectors.
#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <type_traits>

namespace modelgrow::inline v0 {
namespace cpu {

template <class T>
using Vector = typename Eigen::internal::packet_traits<T>::type;
/// Values in a vector register.
template <class T>
inline constexpr std::int64_t lanes = Eigen::internal::packet_traits<T>::size;

/// n rounded up to whole vectors.
template <class T>
constexpr std::int64_t padded(std::int64_t n) {
  return (n + lanes<T> - 1) / lanes<T> * lanes<T>;
}

template <class T>
inline Vector<T> load(const T* p) {
  return Eigen::internal::ploadu<Vector<T>>(p);
}
template <class T>
inline void store(T* p, const Vector<T>& v) {
  Eigen::internal::pstoreu(p, v);
}
template <class T>
inline Vector<T> broadcast(T value) {
  return Eigen::internal::pset1<Vector<T>>(value);
}

/// The left operand: element (i, k) is at data[i * row + k * step].
template <class T>
struct Left {
  const T* data;
  std::int64_t row, step;
  Left from(std::int64_t i, std::int64_t k) const { return {data + i * row + k * step, row, step}; }
};
/// Rows of whole vectors.
template <class T>
struct Rows {
  T* data;
  std::int64_t stride;
  Rows from(std::int64_t i, std::int64_t j) const { return {data + i * stride + j, stride}; }
};

// 24 (or 12) sums, three vectors of B and one value of A fill the registers; 8 rows also amortise the loads of B.
inline constexpr int tile_rows = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 8 : 4;
inline constexpr int tile_vectors = 3;

/// c[M, N vectors] = start + a b over `depth`; start.data may be null (zeros), c itself, or one row (stride 0). It is
/// added last: added first, a large start would round every small product to its own precision.
template <int M, int N, class T>
void multiply_tile(std::int64_t depth, Left<T> a, Rows<const T> b, Rows<const T> start, Rows<T> c) {
  Vector<T> sum[M][N];
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) sum[i][j] = broadcast(T(0));
  for (std::int64_t k = 0; k < depth; ++k) {
    Vector<T> right[N];
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) right[j] = load(b.data + j * lanes<T>);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
      const Vector<T> left = broadcast(a.data[i * a.row]);
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) sum[i][j] = Eigen::internal::pmadd(left, right[j], sum[i][j]);
    }
    a.data += a.step;
    b.data += b.stride;
  }
  if (start.data) {
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j)
        sum[i][j] = Eigen::internal::padd(sum[i][j], load(start.data + i * start.stride + j * lanes<T>));
  }
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) store(c.data + i * c.stride + j * lanes<T>, sum[i][j]);
}

/// multiply_tile for any number of rows.
template <int N, class T>
void multiply_rows(std::int64_t rows, std::int64_t depth, Left<T> a, Rows<const T> b, Rows<const T> start, Rows<T> c) {
  std::int64_t i = 0;
  const auto step = [&]<int M>(std::integral_constant<int, M>) {
    multiply_tile<M, N>(depth, a.from(i, 0), b, start.data ? start.from(i, 0) : start, c.from(i, 0));
    i += M;
  };
  while (i + tile_rows <= rows) step(std::integral_constant<int, tile_rows>{});
  if constexpr (tile_rows > 4)
    if (i + 4 <= rows) step(std::integral_constant<int, 4>{});
  if (i + 2 <= rows) step(std::integral_constant<int, 2>{});
  if (i < rows) step(std::integral_constant<int, 1>{});
}

/// How many vectors the next panel takes of `left` remaining ones, so that no panel is thin.
inline std::int64_t panel_vectors(std::int64_t left) {
  return left > tile_vectors ? (left == tile_vectors + 1 ? 2 : tile_vectors) : left;
}

/// multiply_rows for 1 to 3 vectors.
template <class T>
void multiply_panel(std::int64_t vectors, std::int64_t rows, std::int64_t depth, Left<T> a, Rows<const T> b,
                    Rows<const T> start, Rows<T> c) {
  if (vectors == 1)
    multiply_rows<1>(rows, depth, a, b, start, c);
  else if (vectors == 2)
    multiply_rows<2>(rows, depth, a, b, start, c);
  else
    multiply_rows<3>(rows, depth, a, b, start, c);
}

/// c[rows, columns] = or += a b for a small B in its plain layout; `columns` is a multiple of `lanes`.
template <class T>
void multiply_small(std::int64_t rows, std::int64_t columns, std::int64_t depth, Left<T> a, Rows<const T> b, Rows<T> c,
                    bool add) {
  for (std::int64_t j = 0; j < columns;) {
    const std::int64_t vectors = panel_vectors((columns - j) / lanes<T>);
    const Rows<const T> start{add ? c.data + j : nullptr, c.stride};
    multiply_panel(vectors, rows, depth, a, b.from(0, j), start, c.from(0, j));
    j += vectors * lanes<T>;
  }
}

}  // namespace cpu
}  // namespace modelgrow::inline v0
