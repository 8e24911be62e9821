// SPDX-License-Identifier: MIT
// Position tables added to video tokens.
#pragma once
#include <modelgrow/ops/along.hpp>
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// x [B, T, S, C] + table, [S, C] along space or [T, C] along time. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> add_table(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& table, Along along) {
  expect_shape("add_table", "the input", x.shape(), {any_size, any_size, any_size, any_size},
               "give [batch, frames, space, channels]");
  const std::int64_t batch = x.dim(0), frames = x.dim(1), space = x.dim(2), channels = x.dim(3);
  const bool over_space = along == Along::space;
  expect_shape("add_table", "the table", table.shape(), {over_space ? space : frames, channels},
               over_space ? "one row per position of a frame" : "one row per frame");
  const std::int64_t outer = over_space ? batch * frames : batch, rows = table.dim(0), repeat = over_space ? 1 : space;
  Tensor<T, D> y = tape.allocate(x.shape());
  Backend<D>::add_table(outer, rows, repeat, channels, x.data(), table.data(), y.data());
  return tape.record(std::move(y), {x, table}, [=, &tape](Tensor<T, D> dy) {
    tape.collect(
        [&](Stat<T>* sum) {
          if (!sum) return;
          // Rows that are not repeated are summed as one long row; repeated ones each from their own run.
          if (repeat == 1) return Backend<D>::column_sum(outer, rows * channels, dy.data(), sum);
          for (std::int64_t i = 0; i < outer * rows; ++i)
            Backend<D>::column_sum(repeat, channels, dy.data() + i * repeat * channels, sum + i % rows * channels);
        },
        table);
    tape.accumulate(x, std::move(dy));
  });
}

}  // namespace modelgrow::inline v0
