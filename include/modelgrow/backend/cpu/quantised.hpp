// SPDX-License-Identifier: MIT
// Matrix products with weights that stay in their blocks: a thread decodes one tile into a packed panel in the
// second-level cache and multiplies it with all rows before it takes the next.
#pragma once
#include <memory>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/backend/cpu/arrays.hpp>
#include <modelgrow/backend/cpu/panels.hpp>
#include <modelgrow/backend/cpu/transpose.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

struct Quantised {
  template <class T>
  static void linear_quantised(std::int64_t rows, const QuantisedMatrix& w, const T* x, const T* b, T* y, Write write) {
    const auto panels = panels_of<T>(w.rows);
    const auto n = std::int64_t(panels.size());
    const std::int64_t depth = tile_depth(w.columns);
    parallel_for(n, 1 + n / 32, [&](std::int64_t begin, std::int64_t end) {
      const std::unique_ptr<T[]> packed(new T[std::size_t(depth * tile_vectors * lanes<T>)]);
      for (std::int64_t p = begin; p < end; ++p) {
        const Panel& panel = panels[std::size_t(p)];
        const Rows<T> result{y + panel.first, w.rows};
        T first_row[tile_vectors * lanes<T>] = {};
        if (b) std::copy_n(b + panel.first, panel.columns, first_row);
        if (write == Write::add && b)
          for (std::int64_t r = 0; r < rows; ++r)
            array(result.data + r * w.rows, panel.columns) += array(first_row, panel.columns);
        for (std::int64_t k = 0; k < w.columns; k += depth) {
          const std::int64_t d = std::min(depth, w.columns - k);
          decode(w, panel, k, d, packed.get());
          Rows<const T> start{first_row, 0};
          if (k > 0 || write == Write::add) start = {result.data, result.stride};
          multiply_columns<T>(panel, rows, d, {x + k, w.columns, 1}, packed.get(), start, result);
        }
      }
    });
  }
  template <class T>
  static void embedding_quantised(std::int64_t n, const std::int32_t* ids, const QuantisedMatrix& table, T* y) {
    parallel_for(n, rows_per_piece(table.columns), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) table.decode_row(ids[i], y + i * table.columns);
    });
  }

 private:
  static constexpr std::int64_t most_depth = 768;    // a packed panel of 768 x 3 vectors: 144 KB in AVX-512
  static constexpr std::int64_t decode_depth = 256;  // whole blocks of every type; 16 rows of it: 16 KB

  /// Equal shares of at most most_depth, in whole blocks.
  static std::int64_t tile_depth(std::int64_t columns) {
    const std::int64_t shares = (columns + most_depth - 1) / most_depth;
    return (columns + shares * decode_depth - 1) / (shares * decode_depth) * decode_depth;
  }

  /// The tile of w at column k as packed[depth, panel.width], zero beyond the panel's columns.
  template <class T>
  static void decode(const QuantisedMatrix& w, const Panel& panel, std::int64_t k, std::int64_t depth, T* packed) {
    alignas(64) T rows[lanes<T> * decode_depth];
    for (std::int64_t j = 0; j < panel.width; j += lanes<T>) {
      const std::int64_t n = std::clamp<std::int64_t>(panel.columns - j, 0, lanes<T>);
      if (n < lanes<T>) std::fill(rows, rows + lanes<T> * decode_depth, T(0));
      for (std::int64_t i = 0; i < depth; i += decode_depth) {
        const std::int64_t m = std::min(decode_depth, depth - i);
        for (std::int64_t r = 0; r < n; ++r) w.decode_part(panel.first + j + r, k + i, m, rows + r * decode_depth);
        transpose(lanes<T>, m, rows, decode_depth, packed + i * panel.width + j, panel.width);
      }
    }
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
