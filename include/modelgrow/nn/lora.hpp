// SPDX-License-Identifier: MIT
// Low-rank adapters (LoRA, Hu et al. 2022): beside a linear map, a product of two thin matrices, of which the second
// starts at zero.
#pragma once
#include <cmath>

#include <modelgrow/ops/add_scaled.hpp>
#include <modelgrow/ops/linear.hpp>

namespace modelgrow::inline v0 {

/// y + scale * x A^T B^T with A [rank, in] and B [out, rank].
template <class T, Device D>
struct LowRank {
  Parameter<T, D> down, up;
  double scale = 1;

  /// Adapts a weight [out, in] by its axes.
  LowRank(const Axes& weight, std::int64_t rank, double scale_)
      : down(
            ParamInfo{.axes = {fixed(rank), weight[1]}, .init = Init::normal(1 / std::sqrt(double(weight[1].size())))}),
        up(ParamInfo{.axes = {weight[0], in(rank)}, .init = Init::zeros(), .stream = {.inner = true}}),
        scale(scale_) {}

  static void describe(auto& self, auto& v) {
    v("lora_A", self.down);
    v("lora_B", self.up);
  }
  /// x [.., in], y [.., out] -> [.., out].
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& y) {
    const Var<T, D> low = linear(tape, x, tape.use(down));
    return add_scaled(tape, y, linear(tape, low, tape.use(up)), scale);
  }
};

}  // namespace modelgrow::inline v0
