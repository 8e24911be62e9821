// SPDX-License-Identifier: MIT
// Caption dropout: dropped captions are replaced by the empty one, so that the model learns both for guidance.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// drop[b] != 0 ? empty : x[b] for x [B, L, C], empty [L, C] and drop [B]. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> replace_dropped(Tape<T, D>& tape, const Var<T, D>& x, const Tensor<std::int32_t, D>& drop,
                          const Var<T, D>& empty) {
  expect_shape("replace_dropped", "the input", x.shape(), {any_size, any_size, any_size},
               "give [batch, tokens, channels]");
  const std::int64_t batch = x.dim(0), tokens = x.dim(1), channels = x.dim(2);
  expect_shape("replace_dropped", "the drop flags", drop.shape(), {batch}, "one flag per caption");
  expect_shape("replace_dropped", "the empty caption", empty.shape(), {tokens, channels},
               "it takes the place of one caption of " + to_string(x.shape()));
  Tensor<T, D> y = tape.allocate(x.shape());
  Backend<D>::replace_dropped(batch, tokens, channels, drop.data(), empty.data(), x.data(), y.data());
  return tape.record(std::move(y), {x, empty}, [=, &tape](Tensor<T, D> dy) {
    Tensor<T, D> dx = x.wants_gradient() ? tape.allocate(x.shape()) : Tensor<T, D>();
    tape.collect(
        [&](Stat<T>* dempty) {
          Backend<D>::replace_dropped_dx(batch, tokens, channels, drop.data(), dy.data(), dempty, dx.data());
        },
        empty);
    if (dx.defined()) tape.accumulate(x, std::move(dx));
  });
}

}  // namespace modelgrow::inline v0
