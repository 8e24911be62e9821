// SPDX-License-Identifier: MIT
// One vector for a caption: the mean of its valid tokens.
#pragma once
#include <modelgrow/ops/attention.hpp>

namespace modelgrow::inline v0 {

/// Mean of x [B, L, C] over the first lengths [B] tokens (all of them, when undefined), at least 1 each -> [B, C].
/// Throws shape_error.
template <class T, HasBackend D>
Var<T, D> masked_mean(Tape<T, D>& tape, const Var<T, D>& x, const Tensor<std::int32_t, D>& lengths = {}) {
  expect_shape("masked_mean", "the input", x.shape(), {any_size, any_size, any_size}, "give [batch, tokens, channels]");
  const std::int64_t batch = x.dim(0), tokens = x.dim(1), channels = x.dim(2);
  detail::expect_lengths("masked_mean", lengths, batch);
  Tensor<T, D> y = tape.allocate({batch, channels});
  Backend<D>::masked_mean(batch, tokens, channels, lengths.data(), x.data(), y.data());
  return tape.record(std::move(y), {x}, [=, &tape](Tensor<T, D> dy) {
    Tensor<T, D> dx = tape.allocate(x.shape());
    Backend<D>::masked_mean_dx(batch, tokens, channels, lengths.data(), dy.data(), dx.data());
    tape.accumulate(x, std::move(dx));
  });
}

}  // namespace modelgrow::inline v0
