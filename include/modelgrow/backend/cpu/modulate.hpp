// SPDX-License-Identifier: MIT
// Gates, modulation vectors and position tables: sums and products that repeat one operand over tokens.
#pragma once
#include <cmath>
#include <span>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/backend/cpu/arrays.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

struct Modulate {
  template <class T>
  static void gate_residual(ModulateSize s, const T* x, const T* branch, const T* m, int gate, T* y) {
    const std::int64_t n = s.channels;
    parallel_for(s.batch * s.tokens, rows_per_piece(n), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        array(y + r * n, n) =
            array(x + r * n, n) + array(m + (r / s.tokens * s.slots + gate) * n, n) * array(branch + r * n, n);
    });
  }
  template <class T>
  static void gate_residual_dx(ModulateSize s, const T* branch, const T* m, int gate, const T* dy, T* dbranch, T* dm) {
    const std::int64_t n = s.channels;
    sum_rows<T>(
        s.batch, s.tokens, 2 * rows_per_piece(n), dm ? n : 0,
        [=](std::int64_t first, std::int64_t count, T* partial) {
          for (std::int64_t r = first; r < first + count; ++r) {
            const auto g = array(dy + r * n, n);
            if (dm) array(partial, n) += array(branch + r * n, n) * g;
            if (dbranch) array(dbranch + r * n, n) = array(m + (r / s.tokens * s.slots + gate) * n, n) * g;
          }
        },
        [=](std::int64_t b, const T* partial) { array(dm + (b * s.slots + gate) * n, n) += array(partial, n); });
  }

  template <class T>
  static void head_gate(std::int64_t rows, std::int64_t heads, std::int64_t d, const T* x, const T* gate, T* y) {
    parallel_for(rows, rows_per_piece(heads * d), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin * heads; i < end * heads; ++i)
        array(y + i * d, d) = std::tanh(gate[i % heads]) * array(x + i * d, d);
    });
  }
  template <class T>
  static void head_gate_dx(std::int64_t rows, std::int64_t heads, std::int64_t d, const T* x, const T* gate,
                           const T* dy, T* dx, T* dgate) {
    sum_rows<T>(
        1, rows, 2 * rows_per_piece(heads * d), dgate ? heads : 0,
        [=](std::int64_t first, std::int64_t count, T* partial) {
          for (std::int64_t i = first * heads; i < (first + count) * heads; ++i) {
            const auto g = array(dy + i * d, d);
            if (dgate) partial[i % heads] += (array(x + i * d, d) * g).sum();
            if (dx) array(dx + i * d, d) = std::tanh(gate[i % heads]) * g;
          }
        },
        [=](std::int64_t, const T* partial) {
          for (std::int64_t h = 0; h < heads; ++h) {
            const T open = std::tanh(gate[h]);
            dgate[h] += (1 - open * open) * partial[h];
          }
        });
  }

  template <class T>
  static void modulation(ModulateSize s, std::int64_t slot_stride, std::span<const T* const> tables, const T* t, T* m) {
    const std::int64_t n = s.channels, t_row = slot_stride == 0 ? n : s.slots * n;
    for (std::int64_t b = 0; b < s.batch; ++b)
      for (const T* table : tables)
        for (std::int64_t k = 0; k < s.slots; ++k, m += n)
          array(m, n) = array(table + k * n, n) + array(t + b * t_row + k * slot_stride, n);
  }
  template <class T>
  static void modulation_dx(ModulateSize s, std::int64_t slot_stride, const T* dm, std::span<T* const> dtables, T* dt,
                            Write write) {
    const std::int64_t n = s.channels, t_row = slot_stride == 0 ? n : s.slots * n;
    const auto tables = std::int64_t(dtables.size());
    if (dt && write == Write::overwrite) array(dt, s.batch * t_row).setZero();
    for (std::int64_t i = tables; i-- > 0;)
      for (std::int64_t b = 0; b < s.batch; ++b)
        for (std::int64_t k = 0; k < s.slots; ++k) {
          const auto g = array(dm + ((b * tables + i) * s.slots + k) * n, n);
          if (T* dtable = dtables[std::size_t(i)]) array(dtable + k * n, n) += g;
          if (dt) array(dt + b * t_row + k * slot_stride, n) += g;
        }
  }

  template <class T>
  static void add_table(std::int64_t outer, std::int64_t rows, std::int64_t repeat, std::int64_t n, const T* x,
                        const T* table, T* y) {
    parallel_for(outer * rows * repeat, rows_per_piece(n), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        array(y + r * n, n) = array(x + r * n, n) + array(table + r / repeat % rows * n, n);
    });
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
