// SPDX-License-Identifier: MIT
// Large matrix products: B is packed into panels that stay in the second-level cache, blocks of rows go to the threads.
// Every element is summed in one order, so results do not depend on the number of threads.
#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/backend/cpu/panels.hpp>
#include <modelgrow/backend/cpu/transpose.hpp>
#include <modelgrow/core/parallel.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

/// The right operand: [depth, columns] row-major, or its transpose [columns, depth] row-major.
template <class T>
struct Right {
  enum class Layout { plain, transposed } layout;
  const T* data;
  std::int64_t stride;
};

/// c[rows, columns] = start + a b, row-major and contiguous; start is zero, c itself, or a row that is repeated.
template <class T>
class Gemm {
 public:
  Gemm(std::int64_t rows, std::int64_t columns, std::int64_t depth, Left<T> a, Right<T> b, T* c)
      : rows_(rows), columns_(columns), depth_(depth), a_(a), b_(b), c_(c), panels_(panels_of<T>(columns)) {}

  void overwrite() { run(nullptr, false); }
  void add() { run(nullptr, true); }
  void from_row(const T* row) { run(row, false); }
  void write(Write how) { run(nullptr, how == Write::add); }

 private:
  static constexpr std::int64_t depth_block = 512;  // a panel of B is 512 x 3 vectors: 96 KB in AVX-512

  void run(const T* row, bool add) {
    const std::int64_t width = padded<T>(columns_);
    const std::unique_ptr<T[]> packed(new T[std::size_t(width * std::min(depth_, depth_block))]);
    std::vector<T> first_row(std::size_t(row ? width : 0));
    if (row) std::copy_n(row, columns_, first_row.data());
    const std::int64_t row_block = std::clamp<std::int64_t>((rows_ + 23) / 24, 1, 16 * tile_rows);
    const std::int64_t grain = (row_block + tile_rows - 1) / tile_rows * tile_rows;
    std::int64_t k = 0;
    do {
      const std::int64_t depth = std::min(depth_block, depth_ - k);
      parallel_for(std::int64_t(panels_.size()), 1 + 16384 / (tile_vectors * lanes<T> * (depth + 1)),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t p = begin; p < end; ++p)
                       pack(panels_[std::size_t(p)], k, depth, packed.get() + panels_[std::size_t(p)].first * depth);
                   });
      parallel_for(rows_, grain, [&](std::int64_t begin, std::int64_t end) {
        for (const Panel& panel : panels_) {
          Rows<const T> start{nullptr, 0};
          if (add || k > 0)
            start = {c_ + begin * columns_ + panel.first, columns_};
          else if (row)
            start = {first_row.data() + panel.first, 0};
          multiply_columns(panel, end - begin, depth, a_.from(begin, k), packed.get() + panel.first * depth, start,
                           {c_ + begin * columns_ + panel.first, columns_});
        }
      });
      k += depth;
    } while (k < depth_);
  }

  void pack(const Panel& panel, std::int64_t k, std::int64_t depth, T* out) const {
    const std::int64_t width = panel.width;
    if (b_.layout == Right<T>::Layout::transposed) {
      transpose(panel.columns, depth, b_.data + panel.first * b_.stride + k, b_.stride, out, width);
    } else if (panel.columns == width) {
      for (std::int64_t i = 0; i < depth; ++i)
        for (std::int64_t j = 0; j < width; j += lanes<T>)
          store(out + i * width + j, load(b_.data + (k + i) * b_.stride + panel.first + j));
    } else {
      for (std::int64_t i = 0; i < depth; ++i)
        std::copy_n(b_.data + (k + i) * b_.stride + panel.first, panel.columns, out + i * width);
    }
    if (panel.columns < width)
      for (std::int64_t i = 0; i < depth; ++i) std::fill(out + i * width + panel.columns, out + (i + 1) * width, T(0));
  }

  std::int64_t rows_, columns_, depth_;
  Left<T> a_;
  Right<T> b_;
  T* c_;
  std::vector<Panel> panels_;
};

/// a[rows, depth] b[columns, depth]^T into c[rows, columns].
template <class T>
Gemm<T> gemm_nt(std::int64_t rows, std::int64_t columns, std::int64_t depth, const T* a, const T* b, T* c) {
  return {rows, columns, depth, {a, depth, 1}, {Right<T>::Layout::transposed, b, depth}, c};
}
/// a[rows, depth] b[depth, columns] into c[rows, columns].
template <class T>
Gemm<T> gemm_nn(std::int64_t rows, std::int64_t columns, std::int64_t depth, const T* a, const T* b, T* c) {
  return {rows, columns, depth, {a, depth, 1}, {Right<T>::Layout::plain, b, columns}, c};
}
/// a[depth, rows]^T b[depth, columns] into c[rows, columns].
template <class T>
Gemm<T> gemm_tn(std::int64_t rows, std::int64_t columns, std::int64_t depth, const T* a, const T* b, T* c) {
  return {rows, columns, depth, {a, 1, rows}, {Right<T>::Layout::plain, b, columns}, c};
}

}  // namespace cpu
}  // namespace modelgrow::inline v0
